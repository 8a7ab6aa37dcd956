"""Layers that lie side by side are on branches of their own."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from keraskip.analysis.branches import branches_of


def branches(*rows):
    """The branch of each weight, given as layer, depth, and the layers before it."""
    weights = pd.DataFrame(rows, columns=["layer", "depth", "after"])
    found = branches_of(SimpleNamespace(weights=weights), np.arange(len(rows)))
    return dict(zip(weights["layer"], found, strict=True))


def test_each_tower_has_its_own():
    found = branches(
        ("image1", 1, []), ("text1", 1, []), ("image2", 2, ["image1"]), ("text2", 2, ["text1"]),
        ("text3", 3, ["text2"]), ("joint", 4, ["image2", "text3"]),
    )  # fmt: skip
    assert [name for name in found if found[name] == "0"] == ["text1", "text2", "text3", "joint"]
    assert found["image1"] == found["image2"] == "1"


def test_a_shortcut_does_not_take_the_way_of_its_block():
    found = branches(
        ("stem", 1, []), ("project", 2, ["stem"]), ("conv1", 2, ["stem"]), ("conv2", 3, ["conv1"]),
        ("next", 4, ["conv2", "project"]),
    )  # fmt: skip
    assert found == {"stem": "0", "project": "1", "conv1": "0", "conv2": "0", "next": "0"}


def test_without_a_graph_no_two_layers_of_one_depth_share_one():
    found = branches(("a", 1, None), ("b", 2, None), ("c", 2, np.nan), ("d", 3, None))
    assert found["a"] == found["b"] == found["d"] == "0"
    assert found["c"] == "1"


def test_a_scalar_of_the_same_depth_does_not_end_a_way():
    found = branches(
        ("a", 1, []), ("b", 2, ["a"]), ("scale", 2, ["b"]), ("c", 3, ["scale", "a"]),
    )  # fmt: skip
    assert found == {"a": "0", "b": "0", "scale": "0.1", "c": "0"}


def test_weights_of_one_layer_are_told_apart():
    weights = pd.DataFrame({"layer": ["lstm", "lstm", "head"], "depth": [1, 1, 2]})
    assert branches_of(SimpleNamespace(weights=weights), np.arange(3)) == ["0", "0.1", "0"]
