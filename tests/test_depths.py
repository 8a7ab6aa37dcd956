"""Depth rules: valid depths, and what is said about the others."""

import pytest

from keraskip.models.depths import BASIC, DENSE, DENSE_BOTTLENECK

# fmt: off
VALID = (
    # rule              depth  blocks
    (BASIC,                 8,      1),
    (BASIC,                20,      3),
    (BASIC,               110,     18),
    (DENSE,                 7,      1),
    (DENSE,                40,     12),
    (DENSE_BOTTLENECK,     10,      1),
    (DENSE_BOTTLENECK,    100,     16),
)

NEAREST = (
    # rule              depth  nearest
    (BASIC,                56,     56),
    (BASIC,                57,     56),
    (BASIC,                61,     62),
    (BASIC,                59,     56),  # equally close to 62: the smaller one
    (BASIC,                 2,      8),
    (BASIC,                -9,      8),
    (DENSE,                41,     40),
    (DENSE,                42,     43),
    (DENSE_BOTTLENECK,     99,    100),
)
# fmt: on


@pytest.mark.parametrize(("rule", "depth", "blocks"), VALID)
def test_valid_depth_gives_blocks_per_stage(rule, depth, blocks):
    assert rule.blocks(depth) == blocks


@pytest.mark.parametrize(("rule", "depth", "nearest"), NEAREST)
def test_nearest_depth(rule, depth, nearest):
    assert rule.nearest(depth) == nearest


def test_message_names_the_depth_and_both_neighbours():
    with pytest.raises(ValueError, match=r"depth=57 \(nearest: 56, 62\)"):
        BASIC.blocks(57)


# 2 is 6n+2 with n = 0: a network without blocks.
@pytest.mark.parametrize("depth", [-4, 0, 1, 2])
def test_below_the_smallest_only_the_smallest_is_named(depth):
    with pytest.raises(ValueError, match=rf"depth={depth} \(nearest: 8\)"):
        BASIC.blocks(depth)


@pytest.mark.parametrize("depth", [True, 20.0, "20", None])
def test_depth_must_be_an_integer(depth):
    with pytest.raises(TypeError, match=f"depth={depth!r}"):
        BASIC.blocks(depth)
