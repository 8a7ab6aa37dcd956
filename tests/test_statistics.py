"""What `measure` says of single weights, against float64 arithmetic."""

import numpy as np
import pytest
from keras import ops

from keraskip.callbacks.chunks import Chunks
from keraskip.callbacks.statistics import STATISTICS, measure


def measured(gradient, before, after):
    """Name of each statistic to its values, one per weight."""
    chunks = Chunks([array.shape for array in gradient])
    arrays = {"gradient": gradient, "before": before, "after": after}
    matrices = [
        chunks.join(dict(enumerate(map(ops.convert_to_tensor, array))), str(array.dtype), use)
        for use, array in arrays.items()
    ]
    columns = measure(chunks, *matrices)
    assert tuple(columns) == STATISTICS
    found = {name: ops.convert_to_numpy(column) for name, column in columns.items()}
    assert {(column.dtype, column.shape) for column in found.values()} == {
        (np.dtype("float32"), (len(gradient),))
    }
    return found


def of_gradient(*gradient):
    weight = np.ones((1, len(gradient)), "float32")
    found = measured(np.array([gradient], "float32"), weight, weight)
    return {name: value.item() for name, value in found.items()}


def test_measure_against_float64():
    random = np.random.default_rng(0)
    gradient, before, update = random.normal(size=(3, 5, 301)).astype("float32")
    update[:, ::3] = 0
    after = before + update
    found = measured(gradient, before, after)
    norm = np.linalg.norm
    exact = [np.float64(array) for array in (gradient, before, after)]
    np.testing.assert_allclose(found["grad_norm"], norm(exact[0], axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found["grad_max"], np.abs(gradient).max(axis=1))
    np.testing.assert_array_equal(found["grad_nonfinite"], np.zeros(5))
    np.testing.assert_allclose(found["weight_norm"], norm(exact[1], axis=1), rtol=1e-6)
    update_norm = norm(exact[2] - exact[1], axis=1)
    np.testing.assert_allclose(found["update_norm"], update_norm, rtol=1e-6)
    np.testing.assert_allclose(found["frozen"], (before == after).mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("size", [1e-37, 1e-30, 1e-20, 1.0, 1e20, 1e30])
def test_norm_of_any_magnitude(size):
    found = of_gradient(3 * size, -4 * size)
    assert found["grad_norm"] == pytest.approx(5 * size, rel=1e-6)
    assert found["grad_max"] == pytest.approx(4 * size, rel=1e-6)


def test_nan_is_counted_and_not_skipped():
    found = of_gradient(1, np.nan, 5)
    assert np.isnan(found["grad_norm"])
    assert np.isnan(found["grad_max"])
    assert found["grad_nonfinite"] == 1


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity(bad):
    found = of_gradient(1, bad, bad)
    assert found["grad_norm"] == np.inf
    assert found["grad_max"] == np.inf
    assert found["grad_nonfinite"] == 2


def test_infinity_and_nan():
    found = of_gradient(np.inf, np.nan)
    assert np.isnan(found["grad_norm"])
    assert found["grad_nonfinite"] == 2


def test_zeros():
    found = of_gradient(0, 0, 0)
    assert found["grad_norm"] == found["grad_max"] == found["grad_nonfinite"] == 0


def test_one_bad_weight_leaves_the_others():
    gradient = np.array([[np.nan, 1], [3, 4]], "float32")
    weight = np.ones_like(gradient)
    found = measured(gradient, weight, weight)
    assert found["grad_norm"][1] == 5
    np.testing.assert_array_equal(found["grad_nonfinite"], [1, 0])


def test_update_too_small_to_change_a_weight():
    before = np.array([[0.1, 0.1, 0.0, 0.1]], "float32")
    after = before + np.array([[1e-19, 0.1, 1e-19, 1e-19]], "float32")
    found = measured(np.ones_like(before), before, after)
    assert found["frozen"].item() == 0.5


def test_weights_of_half_precision():
    before = np.array([[1, 1, 1, 1]], "float16")
    after = before + np.array([[1e-4, 1e-4, 1e-4, 1e-2]], "float16")
    found = measured(np.ones((1, 4), "float16"), before, after)
    assert found["frozen"].item() == 0.75
    assert found["weight_norm"].item() == 2
    assert found["update_norm"].item() == pytest.approx(1e-2, rel=0.05)


def test_norm_beyond_the_range_of_half_precision():
    before = np.full((1, 4), 60000, "float16")
    assert measured(before, before, before)["weight_norm"].item() == pytest.approx(
        2 * float(before[0, 0])
    )
