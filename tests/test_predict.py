"""`keraskip predict NAME:WEIGHTS`, without an export."""

import os
import warnings

import keras
import numpy as np
import pytest
from made_runs import layer
from members import FAMILIES
from PIL import Image
from test_builders import randomize
from test_cli import called

from keraskip import Preprocessing
from keraskip.callbacks.columns import SCALARS, STATISTICS
from keraskip.cli.sources import model_of
from keraskip.models.origin import _ORIGINS, Origin, of_mode
from keraskip.runs import RunWriter

SIDE = 16


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """An image file of twice the network's size."""
    file = tmp_path_factory.mktemp("pictures") / "noise.png"
    pixels = np.random.default_rng(0).integers(0, 256, (2 * SIDE, 2 * SIDE, 3)).astype("uint8")
    Image.fromarray(pixels).save(file)
    return file, pixels


@pytest.fixture(scope="module")
def small():
    """A small network."""
    return randomize(FAMILIES["resnet"](input_shape=(SIDE, SIDE, 3)))


@pytest.fixture
def network(monkeypatch, small):
    """A small network that stands for every name, and the calls that asked for it."""
    calls = []

    def build(name, weights):
        calls.append((name, weights))
        return small

    monkeypatch.setattr("keraskip.models.zoo.build", build)
    return small, calls


def best(model, images):
    """The first class and its score, as they are printed."""
    scores = keras.ops.convert_to_numpy(model(images, training=False))[0]
    return int(scores.argmax()), f"{scores.max():.3f}"


@pytest.mark.parametrize(("name", "mode"), [("resnet50", "caffe"), ("resnet50v2", "tf")])
def test_weights_of_keras_are_used_as_keras_does(monkeypatch, network, picture, name, mode):
    model, calls = network
    things = tuple(f"thing_{number}" for number in range(10))
    monkeypatch.setitem(_ORIGINS, model, Origin("made up", of_mode(mode), things))
    done = called("predict", f"{name}:imagenet", picture[0], "--top", "1")
    assert done.returncode == 0, done.stderr
    assert calls == [(name, "imagenet")]
    number, score = best(model, Preprocessing.of_keras(mode)(picture[1][None], (SIDE, SIDE)))
    assert done.stdout.splitlines()[-1].split()[-2:] == [f"thing_{number}", score]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "cannot be read as an image: it is none of PNG"),
        (b"P5 16000 16000 255\n", "too many pixels"),
        (None, "which is a pipe"),
    ],
)
def test_an_image_that_cannot_be_read_is_one_line(monkeypatch, network, tmp_path, content, message):
    monkeypatch.setitem(_ORIGINS, network[0], Origin("made up", of_mode("tf"), tuple("0123456789")))
    file = tmp_path / "image.png"
    os.mkfifo(file) if content is None else file.write_bytes(content)
    done = called("predict", "resnet50:imagenet", file)
    assert done.returncode == 2
    assert message in done.stderr
    assert str(file) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_in_a_run_folder_knows_how_its_images_were_prepared(network, picture, tmp_path):
    model, calls = network
    facts = {"normalization": {"mean": [0.5], "deviation": [0.25], "white": 1.0}}
    RunWriter(tmp_path, facts, layer("dense", 1), STATISTICS, SCALARS)
    weights = tmp_path / "mine.weights.h5"
    done = called("predict", f"resnet20:{weights}", picture[0])
    assert done.returncode == 0, done.stderr
    assert calls == [("resnet20", str(weights))]
    steps = Preprocessing(mean=127.5, deviation=63.75)
    number, score = best(model, steps(picture[1][None], (SIDE, SIDE)))
    assert done.stdout.splitlines()[2].split()[-2:] == [str(number), score]


def test_a_file_of_which_that_is_not_known(network, picture, tmp_path):
    done = called("predict", f"resnet20:{tmp_path / 'mine.weights.h5'}", picture[0])
    assert done.returncode == 2
    assert "how images are prepared" in done.stderr
    assert "such as resnet20:fashion_mnist" in done.stderr


def test_a_warning_is_one_line(monkeypatch, small):
    """Such as the one about weights without a pin."""
    printed = []

    def build(name, weights):
        # As Python prints a warning that no filter takes.
        printed.append(warnings.formatwarning("kept", UserWarning, "hub.py", 1))
        return small

    monkeypatch.setattr("keraskip.models.zoo.build", build)
    usual = warnings.formatwarning
    model_of("resnet101v1.5", "imagenet")
    assert printed == ["keraskip: kept\n"]
    assert warnings.formatwarning is usual


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("resnet50", "NAME:WEIGHTS, such as resnet50:imagenet. Received: resnet50, which does"),
        ("resnet50:", "which does not exist"),
        ("nowhere/at/all", "a folder that `keraskip export` wrote, a .keras file, or NAME:WEIGHTS"),
        ("nowhere.keras", "Received: nowhere.keras"),
        ("resnet55:imagenet", "nearest: resnet5"),
        ("resnet20:imagenet", "weights='imagenet' exist for ResNet50"),
        ("resnet20:missing.keras", "weights='missing.keras'"),
        ("resnet20:cifar10", "None, 'fashion_mnist' or the path of a file"),
        ("f.keras:fashion_mnist", "a .keras file has its own. Received: f.keras with weights"),
    ],
)
def test_bad_input_is_one_line(source, message):
    done = called("predict", source, "image.png")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
