"""Intervals that cover the truth as often as they say."""

import numpy as np
import pytest
from members import quick

from keraskip.analysis.estimates import fall, mean
from keraskip.analysis.shapes import shape_of

DEPTH = np.arange(1.0, 20)
DRAWS = 1000


def covered(draw_one, truth):
    """The number of draws whose interval holds the truth."""
    random = np.random.default_rng(0)
    estimates = [draw_one(random) for _ in range(DRAWS)]
    return sum(estimate.low <= truth <= estimate.high for estimate in estimates)


# Three standard deviations: of the scatter of the layers, which all profiles share, of the noise of
# single values, and of the slope; then the number of profiles.
@pytest.mark.parametrize(
    ("layers", "noise", "slope", "profiles"),
    [
        pytest.param(0.3, 0, 0, 1, marks=pytest.mark.slow),
        pytest.param(0.3, 0, 0, 8, marks=pytest.mark.slow),
        pytest.param(0, 0.3, 0, 8, marks=pytest.mark.slow),
        (0, 0, 0.02, 8),
        pytest.param(0.3, 0.1, 0, 3, marks=pytest.mark.slow),
        (0.3, 0.3, 0.02, 8),
        pytest.param(0.1, 0.1, 0.02, 3, marks=pytest.mark.slow),
    ],
)
def test_the_fall_of_a_line(layers, noise, slope, profiles):
    def draw(random):
        scatter = random.normal(0, layers, len(DEPTH))
        slopes = random.normal(0.1, slope, (profiles, 1))
        log_rms = -5 + slopes * DEPTH + scatter
        return fall(DEPTH, log_rms + random.normal(0, noise, log_rms.shape))

    assert 930 <= covered(draw, 0.1 * 18) <= 970


INDEX = np.arange(19)
# By name: the heights beside a line that falls by 0.1 for each layer, how far the whole falls from
# the last layer to the first, and the size of the shape.
SHAPES = {
    "drop": (4.0 * (INDEX >= 8), 1.8 + 4, 4),
    "hole": (-4.0 * ((INDEX >= 8) & (INDEX <= 10)), 1.8, 4),
    "V": (0.5 * np.abs(INDEX - 8), 1.8 + 1, 1 + 5),
}


# That a drop and a hole are found: test_lines.py, too.
@pytest.mark.parametrize("kind", quick(["V"], SHAPES))
def test_the_fall_and_the_size_of_a_shape(kind):
    """The shape is found, and both intervals hold the truth; layers, steps and slopes scatter."""
    feature, fall_of_all, size = SHAPES[kind]
    found = []

    def draw(random):
        layers = random.normal(0, 0.3, len(DEPTH))
        slopes = random.normal(0.1, 0.02, (8, 1))
        log_rms = -5 + feature + slopes * DEPTH + layers
        shape = shape_of(DEPTH, log_rms + random.normal(0, 0.3, log_rms.shape))
        found.append(shape)
        return shape.attenuation

    assert 930 <= covered(draw, fall_of_all) <= 970
    known = [shape for shape in found if shape.kind == kind]
    assert len(known) > 0.97 * DRAWS
    held = np.mean([shape.size.low <= size <= shape.size.high for shape in known])
    assert 0.93 <= held <= 0.97


def test_a_plain_line_has_no_other_shape():
    """However much the layers scatter, one in a hundred profiles may be taken for a shape."""
    random = np.random.default_rng(0)
    kinds = [
        shape_of(DEPTH, 0.1 * DEPTH + random.normal(0, 1.5, (1, len(DEPTH)))).kind
        for _ in range(DRAWS)
    ]
    assert kinds.count("line") > 0.98 * DRAWS


@pytest.mark.parametrize("seeds", [2, pytest.param(3, marks=pytest.mark.slow), 10])
def test_the_mean_of_seeds(seeds):
    assert 930 <= covered(lambda random: mean(random.normal(7, 2, seeds)), 7) <= 970


def test_the_difference_of_two_means():
    def draw(random):
        return mean(random.normal(7, 2, 5)) - mean(random.normal(4, 1, 6))

    assert 930 <= covered(draw, 3) <= 970


def test_a_single_seed_tells_no_interval():
    assert np.isnan([mean([0.5]).low, (mean([0.5]) - mean([0.1, 0.2])).high]).all()


def test_a_line_without_scatter_is_exact():
    estimate = fall(DEPTH, np.array([0.1 * DEPTH]))
    assert estimate.value == pytest.approx(1.8)
    assert estimate.high - estimate.low < 1e-12


def test_two_layers_are_too_few():
    assert fall(np.array([1.0, 2.0]), np.zeros((1, 2))) is None
