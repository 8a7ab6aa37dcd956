"""Depth rules: valid depths, and messages about the others."""

import pytest

from keraskip.models.depths import (
    BASIC,
    BOTTLENECK,
    DENSE,
    DENSE_BOTTLENECK,
    IMAGENET_BASIC,
    IMAGENET_BOTTLENECK,
    IMAGENET_DENSE_BOTTLENECK,
    choose_blocks,
)

# fmt: off
VALID = (
    # rule                      depth  blocks
    (BASIC,                         8, (1, 1, 1)),
    (BASIC,                        20, (3, 3, 3)),
    (BASIC,                       110, (18, 18, 18)),
    (BOTTLENECK,                   11, (1, 1, 1)),
    (BOTTLENECK,                  164, (18, 18, 18)),
    (BOTTLENECK,                 1001, (111, 111, 111)),
    (DENSE,                         7, (1, 1, 1)),
    (DENSE,                        40, (12, 12, 12)),
    (DENSE_BOTTLENECK,             10, (1, 1, 1)),
    (DENSE_BOTTLENECK,            100, (16, 16, 16)),
    (IMAGENET_BASIC,               34, (3, 4, 6, 3)),
    (IMAGENET_BOTTLENECK,         101, (3, 4, 23, 3)),
    (IMAGENET_DENSE_BOTTLENECK,   161, (6, 12, 36, 24)),
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
def test_valid_depth_gives_the_blocks_of_each_stage(rule, depth, blocks):
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


@pytest.mark.parametrize(
    ("rule", "block_depth", "transition_depth"),
    [(IMAGENET_BASIC, 2, 0), (IMAGENET_BOTTLENECK, 3, 0), (IMAGENET_DENSE_BOTTLENECK, 2, 1)],
)
def test_listed_depths_are_the_sums_of_their_blocks(rule, block_depth, transition_depth):
    for depth, blocks in rule.table.items():
        # DenseNet-264 has one layer more than its name says.
        counted = 265 if depth == 264 else depth
        chosen = choose_blocks(None, blocks, rule, block_depth, transition_depth)
        assert chosen == (blocks, counted)


def test_a_depth_that_is_not_listed():
    with pytest.raises(ValueError, match=r"\(18, 34\).*stage_blocks.*depth=20 \(nearest: 18\)"):
        IMAGENET_BASIC.blocks(20)


def test_depth_and_stage_blocks_may_agree():
    assert choose_blocks(14, (1, 2, 3), BASIC, 2) == ((1, 2, 3), 14)
    with pytest.raises(ValueError, match=r"\(1, 2, 3\) has 14 weighted.*depth=20"):
        choose_blocks(20, (1, 2, 3), BASIC, 2)
