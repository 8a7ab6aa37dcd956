"""What is measured of single weights, in each of the ways to do so, against float64 arithmetic."""

import keras
import numpy as np
import pytest
from keras import ops
from members import quick

from keraskip.callbacks.columns import STATISTICS
from keraskip.callbacks.step.statistics import JoinedWeights

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
COMPILED = ["joined, compiled", "apart, compiled"] * ON_TENSORFLOW
# Beside weights that stay apart there are mostly others.
WAYS = ["joined", *["apart", "apart but for the rest"] * ON_TENSORFLOW, *COMPILED]
# To compile takes most of the time; some tests show that it changes nothing. That weights apart,
# too, are compiled: `test_a_large_weight`.
also_compiled = pytest.mark.parametrize(
    "measured", quick({*WAYS} - {"apart, compiled"}, WAYS), indirect=True
)


@pytest.fixture(params=quick(set(WAYS) - set(COMPILED), WAYS))
def measured(request):
    """A function that gives the name of each statistic to its values, one per weight."""

    def measured(gradient, before, after):
        variables = [keras.Variable(array) for array in after]
        gradients = {
            place: ops.convert_to_tensor(array)
            for place, array in enumerate(gradient)
            if array is not None
        }
        apart = (len(variables) - ("rest" in request.param)) * ("apart" in request.param)
        weights = JoinedWeights(variables, STATISTICS, apart)

        def table():
            values = [ops.convert_to_tensor(array) for array in before]
            seen = weights.before(variables, gradients, values)
            return weights.table(seen, variables, True)

        if "compiled" in request.param:
            import tensorflow as tf

            table = tf.function(table, autograph=False)
        found = ops.convert_to_numpy(table())
        assert (found.dtype, found.shape) == ("float32", (len(after), len(STATISTICS)))
        return dict(zip(STATISTICS, found.T, strict=True))

    return measured


@pytest.fixture
def of_gradient(measured):
    def of_gradient(*gradient):
        weight = np.ones((1, len(gradient)), "float32")
        found = measured(np.array([gradient], "float32"), weight, weight)
        return {name: value.item() for name, value in found.items()}

    return of_gradient


@also_compiled
def test_measure_against_float64(measured):
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


BETWEEN = [pytest.param(size, marks=pytest.mark.slow) for size in (1e-30, 1e20)]


@pytest.mark.skipif(not ON_TENSORFLOW, reason="of TensorFlow alone")
@pytest.mark.parametrize("measured", ["apart, compiled"], indirect=True)
def test_a_large_weight(measured):
    random = np.random.default_rng(0)
    gradient, before, update = random.normal(size=(3, 2, 2**20 + 1)).astype("float32")
    update[:, ::3] = 0
    gradient[1, [0, -1]] = np.inf
    after = before + update
    found = measured(gradient, before, after)
    change = np.float64(after) - before
    assert found["grad_norm"][0] == pytest.approx(np.linalg.norm(np.float64(gradient[0])), rel=1e-6)
    assert found["grad_max"][0] == np.abs(gradient[0]).max()
    np.testing.assert_array_equal(found["grad_norm"][1], np.inf)
    np.testing.assert_array_equal(found["grad_nonfinite"], [0, 2])
    np.testing.assert_allclose(found["update_norm"], np.linalg.norm(change, axis=1), rtol=1e-6)
    np.testing.assert_allclose(found["frozen"], (change == 0).mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("size", [1e-37, 1e-20, 1.0, 1e30, *BETWEEN])
def test_norm_of_any_magnitude(of_gradient, size):
    found = of_gradient(3 * size, -4 * size)
    assert found["grad_norm"] == pytest.approx(5 * size, rel=1e-6)
    assert found["grad_max"] == pytest.approx(4 * size, rel=1e-6)


@also_compiled
def test_nan_is_counted_and_not_skipped(of_gradient):
    found = of_gradient(1, np.nan, 5)
    assert np.isnan(found["grad_norm"])
    assert np.isnan(found["grad_max"])
    assert found["grad_nonfinite"] == 1


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity(of_gradient, bad):
    found = of_gradient(1, bad, bad)
    assert found["grad_norm"] == np.inf
    assert found["grad_max"] == np.inf
    assert found["grad_nonfinite"] == 2


def test_infinity_and_nan(of_gradient):
    found = of_gradient(np.inf, np.nan)
    assert np.isnan(found["grad_norm"])
    assert found["grad_nonfinite"] == 2


def test_zeros(of_gradient):
    found = of_gradient(0, 0, 0)
    assert found["grad_norm"] == found["grad_max"] == found["grad_nonfinite"] == 0


@also_compiled
def test_one_bad_weight_leaves_the_others(measured):
    gradient = np.array([[np.nan, 1], [3, 4]], "float32")
    weight = np.ones_like(gradient)
    found = measured(gradient, weight, weight)
    assert found["grad_norm"][1] == 5
    np.testing.assert_array_equal(found["grad_nonfinite"], [1, 0])


def test_update_too_small_to_change_a_weight(measured):
    before = np.array([[0.1, 0.1, 0.0, 0.1]], "float32")
    after = before + np.array([[1e-19, 0.1, 1e-19, 1e-19]], "float32")
    found = measured(np.ones_like(before), before, after)
    assert found["frozen"].item() == 0.5


@pytest.mark.parametrize("measured", ["joined"], indirect=True)
def test_weights_of_half_precision(measured):
    before = np.array([[1, 1, 1, 1]], "float16")
    after = before + np.array([[1e-4, 1e-4, 1e-4, 1e-2]], "float16")
    found = measured(np.ones((1, 4), "float16"), before, after)
    assert found["frozen"].item() == 0.75
    assert found["weight_norm"].item() == 2
    assert found["update_norm"].item() == pytest.approx(1e-2, rel=0.05)


@pytest.mark.parametrize("measured", ["joined"], indirect=True)
def test_norm_beyond_the_range_of_half_precision(measured):
    before = np.full((1, 4), 60000, "float16")
    assert measured(before, before, before)["weight_norm"].item() == pytest.approx(
        2 * float(before[0, 0])
    )


def test_weights_without_a_gradient(measured):
    before = np.ones((3, 300), "float32")
    found = measured([None, 2 * before[1], None], before, before + 1)
    np.testing.assert_allclose(found["grad_norm"], [np.nan, 2 * 300**0.5, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(found["frozen"], [np.nan, 0, np.nan])


def test_no_gradient_at_all(measured):
    before = np.ones((2, 300), "float32")
    for column in measured([None, None], before, before).values():
        assert np.isnan(column).all()
