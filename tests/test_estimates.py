"""Intervals that cover the truth as often as they say."""

import numpy as np
import pytest

from keraskip.analysis.estimates import fall, mean

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
        (0.3, 0, 0, 1),
        (0.3, 0, 0, 8),
        (0, 0.3, 0, 8),
        (0, 0, 0.02, 8),
        (0.3, 0.1, 0, 3),
        (0.3, 0.3, 0.02, 8),
        (0.1, 0.1, 0.02, 3),
    ],
)
def test_the_fall_of_a_line(layers, noise, slope, profiles):
    def draw(random):
        scatter = random.normal(0, layers, len(DEPTH))
        slopes = random.normal(0.1, slope, (profiles, 1))
        log_rms = -5 + slopes * DEPTH + scatter
        return fall(DEPTH, log_rms + random.normal(0, noise, log_rms.shape))

    assert 930 <= covered(draw, 0.1 * 18) <= 970


@pytest.mark.parametrize("seeds", [2, 3, 10])
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
