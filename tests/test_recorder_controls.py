"""Networks whose trouble is known beforehand: the record must show it."""

import keras
import numpy as np
import pytest
from keras import layers
from quiet import GradientRecorder
from uncompiled import UNCOMPILED

from keraskip import build_resnet, load_run
from keraskip.analysis.verdicts import judge

RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(80, 6)).astype("float32")
LABELS = RANDOM.integers(0, 3, 80)
SMALL = {"stage_blocks": (1,), "filters": (8,)}


def recorded(folder, *members):
    stack = [layers.Input((6,)), *members, layers.Dense(3, "softmax", name="last")]
    model = keras.Sequential(stack)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(NUMBERS, LABELS, batch_size=8, verbose=0, callbacks=[GradientRecorder(folder)])
    return load_run(folder)


def of(run, statistic, path):
    """A statistic of the weight whose path ends so, step by step."""
    column = run.weights["path"].str.endswith(path).to_numpy()
    assert column.sum() == 1
    return run.statistics[statistic][:, column].ravel()


@pytest.mark.slow
def test_thirty_sigmoids_vanish(tmp_path):
    run = recorded(tmp_path, *(layers.Dense(8, "sigmoid", name=f"s{n}") for n in range(30)))
    assert of(run, "grad_norm", "/s0/kernel").max() < 1e-12
    assert of(run, "grad_norm", "/s29/kernel").min() > 1e-4
    assert (of(run, "frozen", "/s0/kernel") == 1).all()
    verdict = judge(run)
    assert verdict.verdict == "vanishing"
    assert verdict.attenuation.low > 10


@pytest.mark.filterwarnings("ignore:.*The gradient is NaN or infinite")
def test_nan_in_every_step_is_no_missing_gradient(tmp_path):
    options = {"activation": "exponential", "kernel_initializer": "he_uniform"}
    run = recorded(tmp_path, *(layers.Dense(5, **options) for _ in range(8)))
    assert np.isnan(run.grad_norm[1:]).any()
    assert not run.missing.any()
    verdict = judge(run)
    assert verdict.verdict == "diverged"
    assert "from step 0 on" in verdict.reason


def test_a_learning_rate_that_is_too_large(tmp_path):
    hidden = [layers.Dense(8, name=f"linear{n}") for n in range(4)]
    model = keras.Sequential([layers.Input((6,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(10.0), "mse")
    options = {"batch_size": 8, "verbose": 0, "callbacks": [GradientRecorder(tmp_path)]}
    message = "The gradient is NaN or infinite, first in step [1-9]"
    with pytest.warns(UserWarning, match=message) as told:
        model.fit(NUMBERS, LABELS, **options)
    ours = [warning for warning in told if "The gradient" in str(warning.message)]
    # It points at the line that calls `fit`, and at none of the recorder or of Keras.
    assert [warning.filename for warning in ours] == [__file__]
    run = load_run(tmp_path)
    updates = of(run, "update_norm", "/linear0/kernel")
    assert np.isfinite(updates[0])
    assert np.nanmax(updates[1:]) > 1e3 * updates[0]
    assert judge(run).verdict == "diverged"


def test_a_dead_layer(tmp_path):
    dead = layers.Dense(8, "relu", bias_initializer=keras.initializers.Constant(-1e3), name="dead")
    run = recorded(tmp_path, layers.Dense(8, name="before"), dead, layers.Dense(8, name="after"))
    for path in "/before/kernel", "/dead/kernel", "/dead/bias":
        assert (of(run, "grad_norm", path) == 0).all()
        assert (of(run, "frozen", path) == 1).all()
    # Its output, the input of what follows, is zero: only biases get a gradient there.
    assert (of(run, "grad_norm", "/after/kernel") == 0).all()
    assert (of(run, "grad_norm", "/after/bias") > 0).all()


def test_a_residual_branch_that_starts_at_zero(tmp_path):
    model = build_resnet(**SMALL, zero_init_residual=True, input_shape=(8, 8, 1))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **UNCOMPILED)
    images = RANDOM.normal(size=(24, 8, 8, 1)).astype("float32")
    model.fit(images, LABELS[:24], batch_size=8, verbose=0, callbacks=[GradientRecorder(tmp_path)])
    run = load_run(tmp_path)
    inside = of(run, "grad_norm", "stage1_block1_conv1/kernel")
    assert inside[0] == 0
    assert (inside[1:] > 0).all()
    # The shortcut carries the gradient from the first step on, to the stem and to the gammas.
    for path in "stem_conv/kernel", "stage1_block1_norm2/gamma":
        assert of(run, "grad_norm", path)[0] > 0
