"""Files of Keras of another network are refused in one sentence that names the first difference."""

import pytest

from keraskip import build_resnet

TINY = {"stage_blocks": (1, 1, 1), "filters": (2, 4, 8), "input_shape": (8, 8, 3)}
TWO = {"stage_blocks": (1, 1), "filters": (2, 4)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network of three stages, and the base of one of two."""
    folder = tmp_path_factory.mktemp("files")
    build_resnet(**TINY).save(folder / "three.keras")
    build_resnet(**TINY | TWO, include_top=False).save_weights(folder / "two.weights.h5")
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
            r"conv2d_5 .*\(3, 3, 4, 8\), stage2_block2_conv1 .*\(3, 3, 4, 4\)",
        ),
        # Keras loads this one without a word.
        (
            "three.keras",
            TWO | {"include_top": False},
            r"_5 of the file has weights of .*the network has no such layer",
        ),
        ("two.weights.h5", {"include_top": False}, "_5 of the file has no weights, stage3_block1"),
    ],
)
def test_files_of_other_networks(files, name, changes, message):
    with pytest.raises(ValueError, match=message) as refused:
        build_resnet(**TINY | changes, weights=files / name)
    assert "\n" not in str(refused.value)
    assert name in str(refused.value)
