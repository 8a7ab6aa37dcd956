"""Exports as they are typed, and the example that serves one."""

import importlib
import json
import os
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cli import called

from keraskip import Artefact, run_study
from keraskip.runs import read_info
from keraskip.study import Trial

pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
pytestmark = [
    # LiteRT's converter and interpreter say so of each other.
    pytest.mark.filterwarnings("ignore:.*tf.lite.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning"),
]
EXAMPLE = Path(__file__).parents[1] / "examples" / "serve.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a network that a study has trained."""
    small = {"stage_blocks": (1, 1), "filters": (16, 32)}
    trial = Trial("small", "resnet", small, epochs=3, learning_rate=0.05)
    return run_study([trial], tmp_path_factory.mktemp("trained"))[0]


@pytest.fixture(scope="module")
def artefact(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    names = folder / "names.txt"
    names.write_text("\n".join(f"digit {number}" for number in range(10)))
    options = ["--signature", "encoded", "--class-names", names, "--dataset", "digits"]
    done = called("export", run / "model.keras", folder / "digits", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder / 'digits'}\n"
    return folder / "digits"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Files of digits, four times as large as the network takes them, by their digit."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("pictures")
    images, labels = load_digits(return_X_y=True)
    files = {}
    for image, label in zip(images[:10], labels[:10], strict=True):
        grey = np.round(image.reshape(8, 8) * 255 / 16).astype("uint8")
        files[folder / f"{label}.png"] = int(label)
        Image.fromarray(grey).resize((32, 32), Image.Resampling.BICUBIC).save(
            folder / f"{label}.png"
        )
    return files


def test_an_export_knows_its_training(run, artefact):
    card = json.loads((artefact / "model_card.json").read_text())
    assert card["training"]["trial"]["dataset"] == "digits"
    assert card["metrics"]["test accuracy"] == read_info(run)["test"][0]["accuracy"]
    assert card["preprocessing"]["mean"] == pytest.approx([77.87], abs=0.01)
    assert card["signatures"] == ["encoded", "serve"]
    assert "real" in card["parity"]


def test_check_prints_what_it_finds(run, artefact):
    against = ["--against", run / "model.keras", "--dataset", "digits"]
    done = called("check", artefact, *against)
    assert done.returncode == 0, done.stderr
    rows = dict(line.split("  ", 1) for line in done.stdout.splitlines()[2:])
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["format"] == "savedmodel"
    assert rows["input images"] == "any x 8 x 8 x 1 float32"
    assert rows["output predictions"] == "any x 10 float32"
    for kind in "noise", "real":
        assert float(rows[f"difference to the model, {kind}"]) <= 1e-4
    assert rows["time, batch 32"].endswith(" ms")
    assert rows["size on disk"].endswith(" MB")


def test_check_takes_data_for_a_comparison_alone(artefact):
    done = called("check", artefact, "--dataset", "digits")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--dataset is for --against" in done.stderr


def test_check_fails_for_another_model(artefact, tmp_path):
    import keras

    from keraskip import build_resnet

    build_resnet(8, input_shape=(8, 8, 1)).save(tmp_path / "other.keras")
    done = called("check", artefact, "--against", tmp_path / "other.keras")
    assert done.returncode == 1
    assert "must give what the model gives" in done.stderr
    keras.utils.clear_session()


def test_predict_names_classes(artefact, pictures):
    done = called("predict", artefact, *pictures, "--top", "1")
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: line.split()[1:3] for line in done.stdout.splitlines()[2:]}
    right = [found[str(file)] == ["digit", str(digit)] for file, digit in pictures.items()]
    assert sum(right) >= 7


@pytest.mark.slow  # test_predict.py has networks and weights of other kinds
def test_predict_takes_a_trained_network_too(run, artefact, pictures):
    some = [*pictures][:2]
    done = called("predict", run / "model.keras", *some)
    assert done.returncode == 0, done.stderr
    ours = [line.split()[-2:] for line in done.stdout.splitlines()[2:]]
    exported = called("predict", artefact, *some).stdout.splitlines()[2:]
    assert ours == [line.split()[-2:] for line in exported]


RUNTIMES = {
    "onnx": ("onnxruntime", []),
    "litert": ("ai_edge_litert", ["--batch-size", "2"]),
    "openvino": ("openvino", []),
}


@pytest.mark.parametrize(
    "format",
    ["onnx", *(pytest.param(each, marks=pytest.mark.slow) for each in RUNTIMES if each != "onnx")],
)
def test_other_formats_predict_the_same(run, artefact, pictures, tmp_path, format):
    module, options = RUNTIMES[format]
    pytest.importorskip(module)
    done = called("export", run / "model.keras", tmp_path / "out", "--format", format, *options)
    assert done.returncode == 0, done.stderr
    ours, theirs = (
        [line.split()[-2:] for line in called("predict", out, *pictures).stdout.splitlines()[2:]]
        for out in (tmp_path / "out", artefact)
    )
    assert ours == theirs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet55"], "nearest: resnet5"),
        (["nowhere.keras"], "There is no file nowhere.keras"),
        (["nowhere.keras", "--weights", "imagenet"], "a .keras file has its own"),
        (["resnet20:fashion_mnist", "--weights", "x.h5"], "not by both. Received: resnet20:fash"),
        (["resnet20:cifar10"], "None, 'fashion_mnist' or the path of a file"),
        (["resnet20", "--format", "onnx", "--signature", "uint8"], "--signature is for savedmodel"),
        (["resnet20", "--quantization", "int8"], "--quantization is for litert"),
        (["resnet20", "--format", "litert", "--quantization", "int8"], "needs images: --dataset"),
        (["resnet20", "--format", "openvino", "--batch-size", "1"], "--batch-size is for litert"),
        (["resnet20", "--signature", "float"], "--signature must be one of"),
    ],
)
def test_bad_input_is_one_line(tmp_path, arguments, message):
    done = called("export", arguments[0], tmp_path / "out", *arguments[1:])
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_only_the_answer_is_printed(artefact, run, tmp_path):
    """Nothing of TensorFlow's notes on processor and GPU, also where nobody set its log level."""
    code = "from keraskip.cli import app; app()"
    environment = {key: value for key, value in os.environ.items() if key[:3] != "TF_"}
    for arguments in (
        ["check", artefact, "--against", run / "model.keras"],
        ["export", run / "model.keras", tmp_path / "out"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True, text=True, env=environment,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")


FOREIGN = """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Files with code: a Lambda, and a layer of a module that lies beside it."""
    import keras

    folder = tmp_path_factory.mktemp("foreign")
    (folder / "foreign_layers.py").write_text(FOREIGN)
    inputs = keras.Input((4,), name="x")
    keras.Model(inputs, keras.layers.Lambda(lambda x: 2 * x, name="double")(inputs)).save(
        folder / "lambda.keras"
    )
    sys.path.insert(0, str(folder))
    try:
        twice = importlib.import_module("foreign_layers").Twice()
    finally:
        sys.path.remove(str(folder))
    keras.Model(inputs, twice(inputs)).save(folder / "class.keras")
    return folder


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("lambda.keras", "a Lambda layer, 'double'"),
        ("class.keras", "'Twice' of the module 'foreign_layers'"),
    ],
)
def test_code_in_a_file_runs_only_if_it_is_trusted(foreign, tmp_path, monkeypatch, file, what):
    refused = called("export", foreign / file, tmp_path / "out")
    assert refused.returncode == 2
    assert f"would run code: {what}. --trust allows that" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    monkeypatch.chdir(foreign)
    monkeypatch.delitem(sys.modules, "foreign_layers", raising=False)
    trusted = called("export", foreign / file, tmp_path / "out", "--trust")
    assert trusted.returncode == 0, trusted.stderr
    found = Artefact(tmp_path / "out")(np.ones((3, 4)))
    assert [value.tolist() for value in found.values()] == [[[2.0] * 4] * 3]
    refused = called("check", tmp_path / "out", "--against", foreign / file)
    assert refused.returncode == 2
    assert "--trust" in refused.stderr


SCRIPT = """
import sys
import keras

class Own(keras.layers.Layer):
    def call(self, x):
        return x

x = keras.Input((4,))
keras.Model(x, Own()(x)).save(sys.argv[1] + "/own.keras")
keras.Model(x, keras.layers.Dense(3, lambda x: 2 * x)(x)).save(sys.argv[1] + "/activation.keras")
"""


def test_code_that_no_module_has_is_named_in_a_line(tmp_path):
    # Keras looks into the file of a lambda.
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    for file, what in ("own", "'Own' of a script"), ("activation", "a lambda as an activation"):
        for trust in [], ["--trust"]:
            done = called("predict", tmp_path / f"{file}.keras", "image.png", *trust)
            assert done.returncode == 2
            assert f"The file needs {what}, which no module has" in done.stderr
            assert len(done.stderr) < 400


def test_predict_runs_code_that_is_trusted(foreign):
    for trust, said in ([], "--trust allows that"), (["--trust"], "whose only input is an image"):
        done = called("predict", foreign / "lambda.keras", "image.png", *trust)
        assert done.returncode == 2
        assert said in done.stderr


def test_a_module_that_is_not_there(foreign, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "foreign_layers", raising=False)
    monkeypatch.chdir(tmp_path)
    done = called("export", foreign / "class.keras", tmp_path / "out", "--trust")
    assert done.returncode == 2
    assert "'Twice' of the module 'foreign_layers', which must be installed or lie" in done.stderr


@pytest.mark.parametrize("command", [["check"], ["predict"]])
def test_folders_that_are_no_artefacts(tmp_path, command):
    done = called(*command, tmp_path, *(["image.png"] if command == ["predict"] else []))
    assert done.returncode == 2
    assert f"Received: {tmp_path}" in done.stderr


@pytest.mark.parametrize("command", ["check", "predict"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": "onnx"}', "was written by an earlier keraskip: export it again"),
        ('{"schema": 3, "format": "other"}', "missing required field `name`"),
        ('{"schema"', "The card must be JSON"),
    ],
)
def test_cards_that_cannot_be_read(tmp_path, command, content, message):
    (tmp_path / "model_card.json").write_text(content)
    done = called(command, tmp_path, *(["image.png"] if command == "predict" else []))
    assert done.returncode == 2
    assert message in done.stderr
    assert f"Received: {tmp_path}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_example_serves_an_artefact_without_keras(artefact, pictures, free_port):
    assert "keraskip" not in EXAMPLE.read_text("utf-8").split('"""')[2]
    code = (
        "import sys, runpy; sys.modules['keras'] = None;"
        f"sys.argv = ['serve.py', {str(artefact)!r}, '{free_port}'];"
        f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        answers = {file: posted(free_port, file.read_bytes(), server) for file in pictures}
        assert {status for status, _ in answers.values()} == {200}
        right = [answers[file][1][0]["class"] == f"digit {digit}"
                 for file, digit in pictures.items()]  # fmt: skip
        assert sum(right) >= 7
        status, answer = posted(free_port, b"no image", server)
        assert (status, answer["error"][:8]) == (400, "The body")
    finally:
        server.kill()
        server.wait()


def posted(port, body, server):
    """Status and answer of a request, once the server is there."""
    while True:
        assert server.poll() is None
        connection = HTTPConnection("127.0.0.1", port)
        try:
            connection.request("POST", "/", body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except ConnectionRefusedError:
            time.sleep(0.2)
        finally:
            connection.close()
