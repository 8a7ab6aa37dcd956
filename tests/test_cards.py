"""A damaged card is refused in one line that names the file and the key."""

import gzip
import json
import os
import random
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from markdown_it import MarkdownIt
from test_cli import called

import keraskip
from keraskip import Artefact, Preprocessing
from keraskip.export.artefact import layout
from keraskip.export.artefact.card import write
from keraskip.export.artefact.drafts import CARD_FILE
from keraskip.export.artefact.opened import report
from keraskip.export.artefact.page import readme
from keraskip.export.request import request_for

pytest.importorskip("onnxruntime", reason="this environment has no ONNX")
pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
pytestmark = pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")
# What a value may be mistaken for.
OTHERS = (
    None, True, -1, 0, 7, 2**31, 10**30, 0.5, 1e308, "", "x", "int32", "\x1b[2J\n", [], {}, [None],
    [-1], [2**40] * 3, ["a", "a"], {"x": 1}, [[[[0]]]],
)  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    image = keras.Input((4, 4, 3), name="image")
    model = keras.Model(image, layers.Dense(2, name="scores")(layers.Flatten()(image)))
    return keraskip.export_onnx(
        model, tmp_path_factory.mktemp("cards") / "out", preprocessing=Preprocessing(127, 60),
        class_names=["cat", "dog"], metrics={"accuracy": 0.5},
    )  # fmt: skip


@pytest.fixture
def folder(exported, tmp_path):
    return Path(shutil.copytree(exported, tmp_path / "out"))


def places(node, path=()):
    """The path of every key and index."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def damaged(text, choice):
    """The text of a card with one damage."""
    kind = choice.choice(["delete", "retype", "retype", "retype", "flip", "cut"])
    if kind == "flip":
        content = bytearray(text.encode())
        content[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
        return bytes(content)
    if kind == "cut":
        return text.encode()[: choice.randrange(len(text))]
    card = json.loads(text)
    *outer, key = choice.choice([*places(card)])
    node = card
    for each in outer:
        node = node[each]
    if kind == "delete":
        del node[key]
    else:
        node[key] = choice.choice(OTHERS)
    return json.dumps(card).encode()


def outcome(folder):
    """The error of a damaged artefact in a line; None if all of it can be used."""
    try:
        artefact = Artefact(folder)
        artefact(np.zeros((2, 4, 4, 3), "float32"))
        report(artefact)
    except ValueError as error:
        return str(error)
    return None


def test_damaged_cards_are_refused_in_one_line(folder):
    text, choice, refused = (folder / CARD_FILE).read_text(), random.Random(0), 0
    for _ in range(200):
        (folder / CARD_FILE).write_bytes(damaged(text, choice))
        if error := outcome(folder):
            refused += 1
            assert len(error.splitlines()) == 1, error
            assert str(folder) in error
    # The others say something else of what nobody computes with, such as the date.
    assert refused > 130
    (folder / CARD_FILE).write_text(text)
    assert outcome(folder) is None


def test_every_key_is_needed(folder):
    text = (folder / CARD_FILE).read_text()
    for key in json.loads(text):
        card = json.loads(text)
        del card[key]
        (folder / CARD_FILE).write_text(json.dumps(card))
        with pytest.raises(ValueError, match=f"`{key}`" if key != "schema" else "schema None"):
            layout.read(folder)


def with_values(**values):
    def change(card):
        return json.dumps(card | values).encode()

    return change


def with_input(**values):
    def change(card):
        (entry,) = card["inputs"]
        return json.dumps(card | {"inputs": [entry | values]}).encode()

    return change


CHANGED = {
    "compressed": (lambda card: gzip.compress(json.dumps(card).encode()), "must be JSON"),
    "no text": (lambda card: b"\xff\xfe{}", "must be JSON"),
    "deep": (lambda card: b"[" * 100_000, "must be JSON"),
    "deep nesting": (
        lambda card: with_values(nesting=0)(card).replace(
            b'"nesting": 0', b'"nesting": ' + b"[" * 900 + b"0" + b"]" * 900
        ),
        "nesting: it must have each of 1 inputs once",
    ),
    "huge": (lambda card: b" " * (layout.MOST_BYTES + 1), r"at most 16,777,216 bytes"),
    "a number": (lambda card: b"3", "earlier keraskip: export it again.*schema None"),
    "earlier": (with_values(schema=2), "earlier keraskip: export it again.*schema 2"),
    "later": (with_values(schema=99), "later keraskip: install that.*schema 99"),
    "format": (with_values(format="other"), "format: 'other' is none of savedmodel, onnx, litert"),
    "quantization": (with_values(quantization="int8"), "quantization: onnx has no 'int8'"),
    "nesting": (with_values(nesting=[0, 0]), "nesting: it must have each of 1 inputs once"),
    "classes": (with_values(class_names=["a"]), "class_names: there are 1"),
    "channels": (with_input(shape=[None, 4, 4, 1]), "sample_shapes: they must fit"),
    "no batch": (with_input(shape=[4, 4, 4, 3]), "shape: its first side is the batch"),
    "no side": (with_input(shape=[None, 0, 4, 3]), r"at `\$.inputs\[0\].shape"),
    "an absurd side": (with_input(shape=[None, 10**12, 4, 3]), r"at `\$.inputs\[0\].shape"),
    "type": (with_input(dtype="float8"), r"Invalid enum value 'float8' - at `\$.inputs\[0\].dtype"),
    "below": (with_input(below="9"), r"at `\$.inputs\[0\].below"),
    "absurd samples": (
        lambda card: with_input(shape=[None, None, None, 3])(
            card | {"sample_shapes": {"image": [10**6, 10**6, 3]}}
        ),
        "sample_shapes: a sample has at most",
    ),
    "files": (with_values(files={"model.onnx": 1}), "files: 'model.onnx' must be a file of 1 byte"),
    "metrics": (with_values(metrics={"loss": "low"}), r"at `\$.metrics\[\.\.\.\]`"),
    "names": (
        lambda card: json.dumps(card | {"outputs": card["outputs"] * 2}).encode(),
        "outputs: they must have different names",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGED)
def test_what_a_card_cannot_have(folder, case):
    change, message = CHANGED[case]
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_bytes(change(card))
    with pytest.raises(ValueError, match=message) as error:
        layout.read(folder)
    assert str(folder) in str(error.value)


def test_a_card_that_never_ends(folder):
    (folder / CARD_FILE).unlink()
    os.mkfifo(folder / CARD_FILE)
    with pytest.raises(ValueError, match=r"has a model_card\.json"):
        layout.read(folder)


def test_an_artefact_that_is_not_as_its_card_says(folder):
    """The runtime refuses what the card promises."""
    card = json.loads((folder / CARD_FILE).read_text())
    (entry,), (output,) = card["inputs"], card["outputs"]
    for change, message in (
        ({"inputs": [entry | {"dtype": "int32"}]}, "cannot run these samples"),
        ({"outputs": [output | {"name": "other"}]}, "must name the outputs scores"),
    ):
        (folder / CARD_FILE).write_text(json.dumps(card | change))
        with pytest.raises(ValueError, match=message):
            Artefact(folder)(np.zeros((2, 4, 4, 3), "float32"))
    (folder / "model.onnx").write_bytes(b"x" * card["files"]["model.onnx"])
    (folder / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"The artefact cannot be loaded: .*Received: ") as error:
        Artefact(folder)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("command", ["check", "predict"])
def test_the_command_says_it_in_one_line(folder, command):
    text, choice = (folder / CARD_FILE).read_text(), random.Random(1)
    for _ in range(12):
        (folder / CARD_FILE).write_bytes(damaged(text, choice))
        error = outcome(folder)
        done = called(command, folder, *(["image.png"] if command == "predict" else []))
        if error:
            assert done.returncode == 2
            assert len(done.stderr.splitlines()) == 1, done.stderr


def test_half_a_character_is_escaped(folder):
    """It comes from the name of a folder that is no text, and no file can hold it."""
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).unlink()
    (folder / "README.md").unlink()
    half, escaped = "a\udc80\u00e4", "a\\udc80\u00e4"
    write(folder, card | {"name": half, "class_names": [half, "dog"], "metrics": {half: 0.5}})
    found = layout.read(folder)
    assert found["name"] == found["class_names"][0] == escaped
    assert found["metrics"] == {escaped: 0.5}
    assert request_for(keras.Model(), class_names=[half])["class_names"] == [escaped]


def test_a_card_that_nobody_could_read_is_not_written(folder):
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).unlink()
    (folder / "README.md").unlink()
    with pytest.raises(ValueError, match="Invalid enum value 'complex64'"):
        write(folder, card | {"outputs": [card["outputs"][0] | {"dtype": "complex64"}]})


RAW = (
    "<script>alert(1)</script>", "a|b", "two\nlines", "# no heading", "\x1b[2Jred", "`code`", "_x_",
    "*x*", "cat & dog", "&lt;", "[x](javascript:alert(1))", "<img src=x onerror=alert(1)>", "a\\",
    "\u202eright to left", "my_model-2", "C#", "``` fence", "~~x~~",
)  # fmt: skip


def shown(words):
    escapes = {"\x1b": r"\x1b", "\u202e": r"\u202e", "\n": " "}
    return "".join(escapes.get(each, each) for each in words)


@pytest.mark.parametrize("raw", RAW)
def test_names_are_words_on_the_page_of_an_artefact(folder, raw):
    """Of models, classes, metrics and runs; read by a renderer that lets HTML through."""
    card = json.loads((folder / CARD_FILE).read_text())
    training = {"run": raw, "started": raw, "trial": {"name": "n"}, "epochs": 1, "versions": {}}
    page = readme(card | {
        "name": raw, "class_names": [raw, "dog"], "metrics": {raw: 0.5}, "training": training,
        "weights": raw,
    })  # fmt: skip
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = renderer.parse(page)
    texts = [token for token in tokens if token.type == "inline"]
    assert all(child.type in ("text", "code_inline", "text_special", "softbreak")
               for token in texts for child in token.children)  # fmt: skip
    words = ["".join(child.content for child in token.children) for token in texts]
    assert words[0] == shown(raw)
    cells = {name: words[index + 1] for index, name in enumerate(words[:-1])}
    assert cells["classes"] == f"{shown(raw)}, dog"
    assert cells["weights"] == shown(raw)
    assert [shown(raw), "0.5"] in [words[index : index + 2] for index in range(len(words))]
    (trained,) = [line for line in words if line.startswith("Trained as")]
    assert trained.startswith(f"Trained as {shown(raw)}, started {shown(raw)}: ")
    assert not {token.type for token in tokens} & {"html_block", "fence", "hr"}
    assert [token.type for token in tokens].count("heading_open") == 1
