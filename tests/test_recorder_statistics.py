"""What is recorded on demand: further statistics, and the gradient that the optimizer uses."""

from itertools import product
from pathlib import Path

import keras
import numpy as np
import pytest
from by_hand import gradients_by_hand
from keras import layers, ops
from members import quick
from quiet import GradientRecorder
from uncompiled import UNCOMPILED

import keraskip
from keraskip import load_run
from keraskip.callbacks.columns import FURTHER

BACKEND = keras.backend.backend()
RATE = 0.5
RANDOM = np.random.default_rng(0)
STEPS, BATCH = 6, 8
IMAGES = RANDOM.normal(size=(STEPS * BATCH, 5)).astype("float32")
# Of the first input the network sees nothing, so that some elements get no gradient.
IMAGES[:, 0] = 0
LABELS = RANDOM.normal(size=(STEPS * BATCH, 2)).astype("float32")


def network(optimizer=None, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [layers.Input((5,)), layers.Dense(7, "tanh", name="first"), layers.Dense(2, name="last")]
    )
    model.compile(optimizer or keras.optimizers.SGD(RATE), "mse", **options)
    return model


def recorded(folder, optimizer=None, images=IMAGES, options=None, **arguments):
    model = network(optimizer, **options or {})
    recorder = GradientRecorder(folder, **arguments)
    model.fit(
        images, LABELS, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[recorder], epochs=1
    )
    return load_run(folder)


def whole(norms):
    return np.sqrt(np.square(norms).sum(axis=1))


# The gradient that the optimizer uses

CLIPPINGS = {
    "clipnorm": 0.1,
    "global_clipnorm": 0.2,
    "clipvalue": 0.02,
    "gradient_accumulation_steps": 3,
}


# However a step runs, the operations are the same; one choice shows it. By XLA:
# test_recorder_models.py.
QUICK = ("global_clipnorm", {"jit_compile": False})
WAYS = [(clipping, UNCOMPILED) for clipping in CLIPPINGS]
if BACKEND == "tensorflow":
    ways = [UNCOMPILED, {"jit_compile": False}, {"jit_compile": True}]
    WAYS = quick([QUICK, *(way for way in WAYS if way[0] != QUICK[0])], product(CLIPPINGS, ways))


@pytest.mark.parametrize("case", WAYS, ids=str)
def test_effective_gradient_is_the_update_of_plain_descent(tmp_path, case):
    clipping, way = case
    options = {clipping: CLIPPINGS[clipping]}
    if clipping == "gradient_accumulation_steps":
        options["global_clipnorm"] = 0.2
    optimizer = keras.optimizers.SGD(RATE, **options)
    run = recorded(tmp_path, optimizer, kind="effective", options=way)
    assert run.info["gradient"] == "effective"
    updates = run.steps % options.get("gradient_accumulation_steps", 1) == (
        options.get("gradient_accumulation_steps", 1) - 1
    )
    assert np.isfinite(run.grad_norm[updates]).all()
    assert np.isnan(run.grad_norm[~updates]).all()
    np.testing.assert_allclose(
        run.grad_norm[updates] * RATE, run.update_norm[updates], rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("clipping", quick(["clipnorm", "global_clipnorm"], list(CLIPPINGS)[:3]))
def test_effective_gradient_of_an_embedding(tmp_path, clipping):
    keras.utils.set_random_seed(0)
    tokens, labels = np.array([[1, 1, 1, 1, 2, 2]] * 4), RANDOM.normal(size=(4, 1))
    model = keras.Sequential([layers.Embedding(5, 3), layers.Flatten(), layers.Dense(1)])
    model.build((None, 6))
    model.compile(keras.optimizers.SGD(1.0, **{clipping: 0.05}), "mse", **UNCOMPILED)
    recorder = GradientRecorder(tmp_path, kind="effective")
    model.fit(tokens, labels, batch_size=4, verbose=0, callbacks=[recorder])
    run = load_run(tmp_path)
    np.testing.assert_allclose(run.grad_norm, run.update_norm, rtol=1e-4)


def test_half_precision_weights_and_a_loss_scale(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((5,)), layers.Dense(2, dtype="float16")])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), 4.0)
    model.compile(optimizer, "mse", **UNCOMPILED)
    recorder = GradientRecorder(tmp_path)
    model.fit(IMAGES, LABELS, batch_size=BATCH, verbose=0, callbacks=[recorder])
    run = load_run(tmp_path)
    np.testing.assert_allclose(run.update_norm, 0.01 * run.grad_norm, rtol=0.1)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no float64 by default")
def test_updates_that_only_double_precision_shows(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((5,)), layers.Dense(2, dtype="float64")])
    model.compile(keras.optimizers.SGD(1e-12), "mse", **UNCOMPILED)
    recorder = GradientRecorder(tmp_path)
    model.fit(IMAGES, LABELS, batch_size=BATCH, verbose=0, callbacks=[recorder])
    run = load_run(tmp_path)
    # A learning rate is float32, a weight of about 1 has 16 digits.
    np.testing.assert_allclose(run.update_norm, 1e-12 * run.grad_norm, rtol=1e-3)
    assert (run.frozen < 0.3).all()


def test_clip_factor_is_that_of_the_whole_gradient(tmp_path):
    raw = recorded(tmp_path / "raw", options=UNCOMPILED)
    assert (raw.clip_factor == 1).all()
    limit = float(whole(raw.grad_norm).min()) / 3
    clipping = keras.optimizers.SGD(RATE, global_clipnorm=limit)
    run = recorded(tmp_path / "clipped", clipping, options=UNCOMPILED)
    expected = np.minimum(1, limit / whole(run.grad_norm))
    assert (expected < 0.9).all()
    np.testing.assert_allclose(run.clip_factor, expected, rtol=1e-5)


def test_steps_that_only_accumulate_clip_nothing(tmp_path):
    optimizer = keras.optimizers.SGD(RATE, gradient_accumulation_steps=2)
    run = recorded(tmp_path, optimizer, options=UNCOMPILED)
    np.testing.assert_array_equal(run.clip_factor, [np.nan, 1] * 3)


def test_loss_scale_is_that_of_the_step(tmp_path):
    def scaled():
        return keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.01, global_clipnorm=0.1), 4.0, dynamic_growth_steps=2
        )

    run = recorded(tmp_path / "finite", scaled())
    np.testing.assert_array_equal(run.loss_scale, [4, 4, 8, 8, 16, 16])
    expected = np.minimum(1, 0.1 / whole(run.grad_norm))
    np.testing.assert_allclose(run.clip_factor, expected, rtol=1e-4)
    images = IMAGES.copy()
    images[3 * BATCH] = np.nan
    with pytest.warns(UserWarning, match="step 3"):
        broken = recorded(tmp_path / "nan", scaled(), images, options=UNCOMPILED)
    # The skipped step halves the scale, and counting starts anew.
    np.testing.assert_array_equal(broken.loss_scale, [4, 4, 8, 8, 4, 4])
    assert np.isnan(broken.grad_norm[3]).all()
    assert np.isfinite(broken.grad_norm[4:]).all()


# Further statistics


def gradients_of_steps():
    """For each step the gradients of all weights, by hand, in float64."""
    model = network(run_eagerly=True)
    steps = []
    for start in range(0, len(IMAGES), BATCH):
        x, y = IMAGES[start : start + BATCH], LABELS[start : start + BATCH]
        gradients = [np.array(ops.convert_to_numpy(g)) for g in gradients_by_hand(model, x, y)]
        steps.append([gradient.ravel().astype(float) for gradient in gradients])
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            variable.assign(ops.convert_to_numpy(variable.value) - RATE * gradient)
    return steps


def signal_to_noise(gradients):
    shares = np.array([0.95 ** (len(gradients) - 1 - step) for step in range(len(gradients))])
    mean = np.average(gradients, axis=0, weights=shares)
    variance = np.average(np.square(gradients), axis=0, weights=shares) - mean**2
    return np.sqrt((mean**2).sum() / variance.sum())


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("run"), statistics=FURTHER[::-1])


def test_all_further_statistics_are_explained():
    page_of_recorder = (Path(__file__).parents[1] / "docs" / "recording.md").read_text("utf-8")
    pages = keraskip.GradientRecorder.__doc__, page_of_recorder
    assert all(f'"{name}"' in page for name in FURTHER for page in pages)


def test_cosine_and_noise_compare_with_the_steps_before(everything):
    steps = gradients_of_steps()
    assert np.isnan(everything.cosine[0]).all()
    assert np.isnan(everything.snr[0]).all()
    for step in range(1, STEPS):
        for weight, (old, new) in enumerate(zip(steps[step - 1], steps[step], strict=True)):
            cosine = old @ new / np.linalg.norm(old) / np.linalg.norm(new)
            assert everything.cosine[step, weight] == pytest.approx(cosine, abs=1e-4)
            noise = signal_to_noise([gradients[weight] for gradients in steps[: step + 1]])
            assert everything.snr[step, weight] == pytest.approx(noise, rel=1e-3)


def test_shares_of_elements(everything):
    steps = gradients_of_steps()
    first = everything.weights["path"].str.endswith("first/kernel").argmax()
    assert everything.zeros[:, first] == pytest.approx(1 / 5)
    for step, gradients in enumerate(steps):
        for weight, gradient in enumerate(np.abs(gradient) for gradient in gradients):
            below = ((gradient > 0) & (gradient < 2.0**-14)).mean()
            assert everything.below_float16[step, weight] == pytest.approx(below, abs=1e-6)
            for decade in range(-16, 2):
                share = ((gradient >= 10.0**decade) & (gradient < 10.0 ** (decade + 1))).mean()
                found = everything.statistics[f"decade_{decade}"][step, weight]
                assert found == pytest.approx(share, abs=1e-6)


@pytest.mark.slow
def test_one_nan_is_not_remembered(tmp_path):
    images = IMAGES.copy()
    images[2 * BATCH] = np.nan
    # Skips the step, so that the weights survive.
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(RATE))
    options = {
        "statistics": ["cosine", "snr"],
        "on_nonfinite": "ignore",
        "options": UNCOMPILED,
    }
    run = recorded(tmp_path, optimizer, images, **options)
    assert np.isnan(run.cosine[2]).all()
    assert np.isfinite(run.cosine[3:]).all()
    # Finite, but not its square.
    images[2 * BATCH] = 1e19
    large = recorded(tmp_path / "large", keras.optimizers.SGD(0.0), images, **options)
    assert (large.snr[3:] > 0.01).all()
    assert np.isfinite(run.snr[3:]).all()


@pytest.mark.parametrize(
    ("statistics", "error"), [(["cosines"], ValueError), ("cosine", TypeError)], ids=str
)
def test_unknown_statistics(tmp_path, statistics, error):
    with pytest.raises(error, match="Received: "):
        GradientRecorder(tmp_path, statistics=statistics)


def test_unknown_kind(tmp_path):
    with pytest.raises(ValueError, match="'raw', 'effective'"):
        GradientRecorder(tmp_path, kind="scaled")
