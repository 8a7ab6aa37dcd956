"""Weights of other classes than the network's are refused in a sentence with both numbers."""

import keras
import numpy as np
import pytest
from members import FAMILIES
from test_builders import SMALL, randomize
from test_refusals import counted_layers
from torch_files import write_safetensors

from keraskip.models.available import weights_of
from keraskip.models.heads import classes_in
from keraskip.models.pretrained import APPLICATIONS
from keraskip.models.zoo import ZOO

build = FAMILIES["resnet"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of a network of ten classes, and of one without a classifier."""
    folder = tmp_path_factory.mktemp("weights")
    ten = randomize(build(**SMALL, classes=10, prefix="left_"))
    ten.save(folder / "ten.keras")
    ten.save_weights(folder / "ten.weights.h5")
    build(**SMALL, include_top=False).save(folder / "none.keras")
    (folder / "cut.keras").write_bytes((folder / "ten.keras").read_bytes()[:5000])
    (folder / "cut.weights.h5").write_bytes((folder / "ten.weights.h5").read_bytes()[:5000])
    for head in "fc", "classifier":
        tensors = {f"{head}.weight": np.zeros((10, 4), "f4")}
        write_safetensors(folder / f"{head}.safetensors", tensors)
    write_safetensors(folder / "none.safetensors", {"conv1.weight": np.zeros(1, "f4")})
    write_safetensors(folder / "other.safetensors", {"module.fc.weight": np.zeros((5, 4), "f4")})
    (folder / "cut.safetensors").write_bytes((folder / "fc.safetensors").read_bytes()[:-1])
    return folder, ten


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "ten.keras",
            r"have 10 classes.* has 5 classes: include_top=.*=5 \(nearest: 10\)$",
        ),
        ("ten.weights.h5", r"have 10 classes.* has 5 classes: include_top=False"),
        ("fc.safetensors", r"have 10 classes.* has 5 classes: .*=5 \(nearest: 10\)$"),
        ("classifier.safetensors", r"have 10 classes.* has 5 classes: include_top=False"),
        ("none.safetensors", r"have no classifier.* has 5 classes: include_top=False"),
        ("cut.safetensors", r"cut\.safetensors is cut"),
        ("none.keras", r"have no classifier.* has 5 classes: include_top=False, .*classes=5$"),
        ("cut.keras", r"a whole file.*cut\.keras"),
        ("cut.weights.h5", r"a whole file.*cut\.weights\.h5"),
    ],
)
def test_other_classes_are_refused_before_a_layer_is_made(files, name, message):
    with counted_layers() as new_layers, pytest.raises(ValueError, match=message) as refused:
        build(**SMALL, classes=5, weights=files[0] / name)
    assert not new_layers
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["ten.keras", pytest.param("ten.weights.h5", marks=pytest.mark.slow)]
)
def test_all_but_the_classifier_fits(files, name):
    folder, ten = files
    base = build(**SMALL, include_top=False, pooling="avg", weights=folder / name)
    for ours, theirs in zip(base.get_weights(), ten.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_network_without_a_classifier_takes_its_file(files):
    assert build(**SMALL, include_top=False, weights=files[0] / "none.keras")


def test_names_that_torchvision_does_not_have_are_shown(files):
    with pytest.raises(ValueError, match=r"\(conv1.weight\).*module.fc.weight"):
        build(**SMALL, classes=5, weights=files[0] / "other.safetensors")


def test_of_several_dense_layers_none_is_taken_for_the_classifier(tmp_path):
    dense = [keras.layers.Dense(units) for units in (7, 3)]
    keras.Sequential([keras.Input((2,)), *dense]).save_weights(tmp_path / "two.weights.h5")
    assert classes_in(tmp_path / "two.weights.h5") is None


def test_the_networks_that_are_said_to_have_weights_have_them():
    """By the layout of each, as the builder looks at it."""
    with_weights = {name for name in ZOO if "imagenet" in weights_of(name)}
    torchvision = {"resnet18", "resnet34", "resnet18v1.5", "resnet34v1.5", "densenet161"}
    torchvision |= {f"resnet{depth}v1.5" for depth in (50, 101, 152)}
    assert with_weights == {name.lower() for name in APPLICATIONS} | torchvision
