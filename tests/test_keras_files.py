"""Files of Keras of another network are refused in one sentence that names the first difference."""

import keras
import numpy as np
import pytest

from keraskip import build_resnet

TINY = {"stage_blocks": (1, 1, 1), "filters": (2, 4, 8), "input_shape": (8, 8, 3)}
BOTTLENECKS = {"block": "bottleneck", "stage_blocks": (1, 1), "filters": (1, 2)}
MOVED = "_2 of the file is left_stage1_block1_norm2, in the network stage2_block1_norm1"
TWO = {"stage_blocks": (1, 1), "filters": (2, 4)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network of three stages, the base of one of two, and one of bottlenecks."""
    folder = tmp_path_factory.mktemp("files")
    three = build_resnet(**TINY, prefix="left_")
    three.save(folder / "three.keras")
    three.save_weights(folder / "three.weights.h5")
    build_resnet(**TINY | TWO, include_top=False).save_weights(folder / "two.weights.h5")
    build_resnet(**TINY | BOTTLENECKS, variant="v1.5").save(folder / "bottlenecks.keras")
    return folder


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "three.keras",
            {"input_shape": (8, 8, 1)},
            r"conv2d of the file has weights of \(3, 3, 3, 2\), "
            r"stem_conv of the network has weights of \(3, 3, 1, 2\)",
        ),
        ("three.keras", {"normalization": "group"}, "batch_normalization of .*no such layer"),
        (
            "three.keras",
            {"stage_blocks": (1, 2, 1)},
            "conv2d_5 of the file is left_stage3_block1_conv1, in the network stage2_block2_conv1",
        ),
        # Keras loads this one without a word.
        (
            "three.keras",
            TWO | {"include_top": False},
            r"_5 of the file has weights of .*the network has no such layer",
        ),
        ("two.weights.h5", {"include_top": False}, "_5 of the file has no weights, stage3_block1"),
        # In these, all shapes are the same.
        ("three.keras", {"variant": "preact"}, MOVED),
        ("three.weights.h5", {"variant": "preact"}, MOVED),
        (
            "bottlenecks.keras",
            BOTTLENECKS,
            r"stage2_block1_conv1 of the file has strides \(1, 1\), of the network \(2, 2\)",
        ),
    ],
)
def test_files_of_other_networks(files, name, changes, message):
    with pytest.raises(ValueError, match=message) as refused:
        build_resnet(**TINY | changes, weights=files / name)
    assert "\n" not in str(refused.value)
    assert name in str(refused.value)


def test_names_that_no_layer_of_ours_has_do_not_matter(files, tmp_path):
    """As in a file of keras.applications, or of a network whose layers were named anew."""
    model = build_resnet(**TINY)
    foreign = keras.models.clone_model(model, clone_function=renamed)
    foreign.save(tmp_path / "foreign.keras")
    filled = build_resnet(**TINY, weights=tmp_path / "foreign.keras")
    for ours, theirs in zip(filled.get_weights(), foreign.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def renamed(layer):
    return type(layer).from_config(layer.get_config() | {"name": f"{layer.name}_of_mine"})
