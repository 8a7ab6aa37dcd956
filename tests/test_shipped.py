"""Weights that come with keraskip: what they give, what they refuse, and that they ship."""

import configparser
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from fashion_archives import CLASSES, MD5, read_part
from made_runs import layer
from PIL import Image

from keraskip import Preprocessing, build, build_resnet, describe, fold_batch_norm
from keraskip.callbacks.columns import SCALARS, STATISTICS
from keraskip.export.artefact.card import describe as describe_card
from keraskip.export.network.contract import contract_of
from keraskip.export.request import request_for
from keraskip.models import shipped
from keraskip.models.origin import origin_of
from keraskip.models.zoo import ZOO
from keraskip.runs import RunWriter

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("KERASKIP_TEST_DATA", ROOT.parent / "shared" / "data"))
DATASET = "fashion_mnist"
NETWORKS = shipped.networks_with(DATASET)
FIRST = 200
MEGABYTE = 2**20


def card_of(network):
    return shipped.cards_of(network)[DATASET]


def values(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@pytest.fixture(scope="module")
def resnet20():
    return build("resnet20", weights=DATASET)


@pytest.fixture(scope="module")
def first_images():
    """As the network takes them, and their labels."""
    if not (SHARED / DATASET).exists():
        pytest.skip(f"{DATASET} is not in {SHARED}")
    images, labels = read_part(SHARED / DATASET, "t10k")
    return images[:FIRST], labels[:FIRST]


def right_answers(model, images, labels):
    x = Preprocessing.of_model(model)(images, (28, 28))
    scores = keras.ops.convert_to_numpy(model(x, training=False))
    return int((scores.argmax(axis=1) == labels).sum())


def test_the_first_test_images(resnet20, first_images):
    right = right_answers(resnet20, *first_images)
    # Another backend may answer differently where two classes are as likely.
    assert abs(right - card_of("resnet20")["right_of_the_first_200_test_images"]) <= 1


def test_predict_takes_the_name(first_images, tmp_path):
    # The command needs it; the environments of other backends are without.
    pytest.importorskip("typer")
    from test_cli import called

    images, labels = first_images
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "picture.png")
    done = called("predict", "resnet20:fashion_mnist", tmp_path / "picture.png", "--top", "1")
    assert done.returncode == 0, done.stderr
    *name, score = done.stdout.splitlines()[-1].split()[1:]
    assert " ".join(name) == CLASSES[labels[0]] == "Ankle boot"
    assert float(score) > 0.9


@pytest.mark.slow
def test_an_export_of_a_name_has_preprocessing_and_classes(tmp_path):
    pytest.importorskip("typer")
    pytest.importorskip("tensorflow")
    from test_cli import called

    done = called("export", "resnet20:fashion_mnist", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "out" / "model_card.json").read_text())
    assert card["class_names"] == list(CLASSES)
    assert card["preprocessing"]["mean"] == card_of("resnet20")["mean"]
    assert "Fashion-MNIST" in card["weights"]
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "Images of 0 to 255 are scaled" in readme


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_the_first_test_images_of_each_network(network, first_images):
    right = right_answers(build(network, weights=DATASET), *first_images)
    assert abs(right - card_of(network)["right_of_the_first_200_test_images"]) <= 1


def test_images_and_classes_come_with_the_weights(resnet20):
    origin = origin_of(resnet20)
    assert origin.class_names == CLASSES
    assert "Fashion-MNIST" in origin.source
    black = Preprocessing.of_model(resnet20)(np.zeros((1, 28, 28, 1), "uint8"), (28, 28))
    assert black.ravel()[0] == pytest.approx(-73.06 / 90.15, abs=1e-3)
    assert resnet20.input_shape == (None, 28, 28, 1)
    assert resnet20.name == "resnet20"


def test_without_the_classifier(resnet20):
    changes = {"include_top": False, "pooling": "avg", "classes": 3, "prefix": "left_"}
    base = build("resnet20", weights=DATASET, **changes)
    kept = values(resnet20)[: len(base.weights)]
    assert len(resnet20.weights) == len(base.weights) + 2
    for ours, theirs in zip(values(base), kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert origin_of(base).class_names is None


def test_folding_hands_the_origin_on(resnet20):
    assert origin_of(fold_batch_norm(resnet20)) is origin_of(resnet20)


def test_a_run_goes_before_the_weights(resnet20, tmp_path):
    facts = {"normalization": {"mean": [0.5], "deviation": [0.25], "white": 1.0}}
    RunWriter(tmp_path, facts, layer("dense", 1), STATISTICS, SCALARS)
    request = request_for(resnet20, run=tmp_path)
    assert request["preprocessing"] == Preprocessing(mean=[127.5], deviation=[63.75])
    assert request["class_names"] == []
    weights = [describe_card(resnet20, contract_of(resnet20), run, None)["weights"]
               for run in (tmp_path, None)]  # fmt: skip
    assert weights == [None, origin_of(resnet20).source]
    given = request_for(resnet20, run=tmp_path, preprocessing=Preprocessing())
    assert given["preprocessing"] == Preprocessing()
    assert request_for(resnet20)["class_names"] == list(CLASSES)


@pytest.mark.slow
def test_a_memory_efficient_densenet_takes_them():
    images = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype("float32")
    first, second = (
        keras.ops.convert_to_numpy(model(images, training=False))
        for model in (
            build("densenet_bc40_k12", weights=DATASET),
            build("densenet_bc40_k12", weights=DATASET, memory_efficient=True),
        )
    )
    np.testing.assert_allclose(first, second, atol=1e-5)


SIZE = r"for images of shape \(28, 28, 1\)\. Received: "


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("resnet20", {"input_shape": (32, 32, 3)}, SIZE + r"input_shape=\(32, 32, 3\) \(nearest"),
        ("resnet20", {"input_shape": (None, None, 1)}, SIZE + r"input_shape=\(None, None, 1\)"),
        (
            "resnet20",
            {"input_shape": (32, 32, 1), "include_top": False},
            SIZE + r"input_shape=\(32, 32, 1\) \(nearest: \(28, 28, 1\)\)$",
        ),
        ("resnet20", {"input_shape": (1, 28, 28)}, r"\(height, width, channels\).*\(28, 28, 1\)\)"),
        ("resnet20", {"input_shape": [[28, 28, 1]]}, r"input_shape must be \(height.*\[28, 28, 1"),
        ("resnet20", {"classes": 5}, r"for 10 classes; include_top=False.*classes=5 \(nearest: 10"),
        ("resnet20", {"classes": 0, "include_top": False}, "classes must be at least 1"),
        ("resnet20", {"activation": "tanh"}, r"activation='tanh' \(nearest: 'relu'\)"),
        ("resnet20", {"shortcut": "B"}, r"resnet20 as it is.*'B' \(nearest: 'A'\)"),
        ("resnet32", {}, "exist for .*resnet20.*Received: weights='fashion_mnist' for resnet32"),
    ],
)
def test_other_networks_are_refused(name, changes, message):
    with pytest.raises(ValueError, match=message):
        build(name, weights=DATASET, **changes)


def test_the_order_of_channels_is_named(monkeypatch):
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    monkeypatch.setattr("keraskip.models.image_shape.channel_index", lambda: 0)
    with pytest.raises(ValueError, match=r"\(channels, height, width\).*nearest: \(1, 28, 28\)"):
        build("resnet20", weights=DATASET, input_shape=(28, 28, 1))


def test_an_input_tensor_of_another_shape_is_named():
    with pytest.raises(ValueError, match=SIZE + r"input_tensor of shape \(None, 32, 32, 3\)"):
        build("resnet20", weights=DATASET, input_tensor=keras.Input((32, 32, 3)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"clases": 5}, "unexpected keyword.*'clases'"), ({"classes": 10.0}, "must be an integer")],
)
def test_arguments_of_another_kind_are_refused(changes, message):
    with pytest.raises(TypeError, match=message):
        build("resnet20", weights=DATASET, **changes)


def test_a_builder_points_to_the_name():
    with pytest.raises(ValueError, match=r"keraskip.build\('resnet20', weights='fashion_mnist'\)"):
        build_resnet(20, weights=DATASET)


def test_own_values_may_be_named_and_others_that_leave_the_variables(resnet20):
    changes = {"shortcut": "A", "variant": "v1", "block": "basic", "input_shape": [28, 28, 1]}
    changes |= {
        "filters": [16, 32, 64],
        "classes": np.int64(10),
        "stochastic_depth_rate": 0.5,
        "zero_init_residual": True,
    }
    model = build("resnet20", weights=DATASET, **changes)
    for ours, theirs in zip(values(model), values(resnet20), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def scores_of(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def test_prefix_half_precision_and_input_tensor(resnet20):
    """They change names and rounding, and neither the order of the weights nor the answers."""
    images = np.random.default_rng(0).normal(size=(4, 28, 28, 1)).astype("float32")
    changes = {"prefix": "left_", "input_tensor": keras.Input((28, 28, 1))}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build("resnet20", weights=DATASET, **changes)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.weights[0].path.startswith("left_")
    for ours, theirs in zip(values(model), values(resnet20), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert origin_of(model) is None
    np.testing.assert_allclose(scores_of(model, images), scores_of(resnet20, images), atol=0.02)


def test_an_altered_file_is_refused(monkeypatch, tmp_path):
    shutil.copytree(shipped.FOLDER, tmp_path / "weights")
    file = tmp_path / "weights" / DATASET / "plain20.npz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    with pytest.raises(ValueError, match=r"plain20.npz must have the SHA-256 \w+.*install"):
        build("plain20", weights=DATASET, kernel_initializer="zeros")


def test_weights_of_another_network_are_refused():
    card = card_of("resnet20")
    file = shipped.FOLDER / DATASET / "resnet20.npz"
    with pytest.raises(ValueError, match="must have the shapes of the network's"):
        shipped.fill_in_order(build_resnet(8), shipped.read_weights(file, card["sha256"]), True)


def test_plain_residual_and_dense_networks_have_weights():
    assert {"plain20", "resnet20", "preact_resnet20", "densenet_bc40_k12"} <= set(NETWORKS)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_card_tells_the_truth(network):
    card, file = card_of(network), shipped.FOLDER / DATASET / f"{network}.npz"
    assert network in ZOO
    assert (card["network"], card["weights"]) == (network, DATASET)
    assert card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert card["bytes"] == file.stat().st_size
    assert card["class_names"] == list(CLASSES)
    assert card["data"]["md5"] == MD5
    accuracy = card["accuracy"]
    assert abs(accuracy["test"] - accuracy["test_on_the_training_machine"]) <= 0.00051
    assert card["recipe"]["epochs"] == 50
    assert "examples/fashion_mnist.py" in card["command"]


def test_the_page_has_the_figures_of_the_cards():
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (ROOT / "docs/networks/index.md").read_text("utf-8").splitlines()
        if line.startswith("| `") and line.count(" x ") >= 1 and "%, " in line
    ]
    told = {}
    for names, _, *columns in rows:
        for name, *cells in zip(*(cell.split(", ") for cell in (names, *columns)), strict=True):
            told[name.strip("`")] = cells
    assert told == {network: figures_of(card_of(network)) for network in NETWORKS}


def figures_of(card):
    """Test error, training error, and how many times larger the gradient becomes, 95 %."""
    errors = [100 - 100 * card["accuracy"][part] for part in ("test", "training")]
    grown, margin = -card["signal"]["orders_lost_at_the_beginning"], card["signal"]["margin"]
    times, low, high = (
        f"{float(f'{10**x:.2g}'):,g}" for x in (grown, grown - margin, grown + margin)
    )
    return [*(f"{error:.2f} %" for error in errors), f"x {times} ({low} to {high})"]


def test_describe_shows_the_accuracy():
    described = describe("resnet20")
    assert described.cards == shipped.cards_of("resnet20")
    percent = f"{100 * card_of('resnet20')['accuracy']['test']:.2f} %"
    assert f"weights    fashion_mnist: {percent} of 10,000 test images are right" in str(described)
    assert shipped.cards_of("resnet50") == {}


def test_the_files_are_part_of_the_package_and_small():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    globs = setup["options.package_data"]["keraskip"].split()
    package = shipped.FOLDER.parents[1]
    taken = {path for pattern in globs for path in package.glob(pattern)}
    files = {path for path in shipped.FOLDER.rglob("*") if path.is_file()}
    assert files
    assert files <= taken
    assert sum(path.stat().st_size for path in files) < 8 * MEGABYTE


@pytest.mark.slow
def test_a_wheel_holds_them_and_works_alone(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copytree(ROOT / "keraskip", source / "keraskip")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    wheel = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*wheel, "-w", tmp_path, source], check=True)
    (packed,) = tmp_path.glob("keraskip-*.whl")
    shutil.unpack_archive(packed, tmp_path / "site", "zip")
    weights = tmp_path / "site" / "keraskip" / "models" / "weights"
    ours, theirs = (
        {path.relative_to(folder) for path in folder.rglob("*.*")}
        for folder in (shipped.FOLDER, weights)
    )
    assert ours == theirs > set()
    code = (
        "import keraskip, numpy as np; print(keraskip.__file__);"
        "model = keraskip.build('resnet20', weights='fashion_mnist');"
        "print(model.predict(np.zeros((1, 28, 28, 1)), verbose=0).sum())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    ).stdout.split()
    assert Path(printed[0]).is_relative_to(tmp_path / "site")
    assert float(printed[1]) == pytest.approx(1, abs=1e-4)
