"""A recorder that begins another run: in the step that is traced already, or in a new one."""

import keras
import numpy as np
import pytest
from quiet import GradientRecorder
from test_recorder_restarts import EPOCHS, STEPS, fit, network

from keraskip import load_run
from keraskip.callbacks.hook.fit_capture import FitCapture

# JAX traces anew: there the record travels with the variables of the optimizer.
TRACES_AGAIN = keras.backend.backend() == "jax"


def set_back(model, weights):
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
    for variable in model.optimizer.variables:
        if variable.name == "iteration":
            variable.assign(0)


def test_each_run_is_recorded_as_by_a_recorder_of_its_own(tmp_path, monkeypatch):
    traced, make = [], FitCapture._made_step
    monkeypatch.setattr(FitCapture, "_made_step", lambda self: traced.append(0) or make(self))
    model, other = network(jit_compile=False), network(jit_compile=False)
    weights = [0.5 * keras.ops.convert_to_numpy(weight.value) for weight in model.weights]
    recorder = GradientRecorder(tmp_path / "first")
    fit(model, recorder)
    set_back(model, weights)
    recorder.begin_anew(tmp_path / "second", info={"seed": 1})
    fit(model, recorder)
    assert len(traced) == (4 if TRACES_AGAIN else 2)  # recorded and not, for one trace
    set_back(other, weights)
    fit(other, GradientRecorder(tmp_path / "alone"))
    first, second, alone = (load_run(tmp_path / name) for name in ("first", "second", "alone"))
    assert second.info["seed"] == 1
    assert "seed" not in first.info
    assert len(first.steps) == len(second.steps) == EPOCHS * STEPS
    for name in "steps", "grad_norm", "weight_norm", "update_norm", "loss", "learning_rate":
        assert np.array_equal(getattr(second, name), getattr(alone, name)), name
    assert second.epochs.equals(alone.epochs)
    assert second.info["labels"] == alone.info["labels"]
    assert not np.array_equal(first.loss, second.loss)


@pytest.mark.skipif(TRACES_AGAIN, reason="the loop of JAX is another one")
def test_a_loop_of_ones_own_does_not_go_on_in_the_step_of_fit(tmp_path):
    model = network()
    recorder = GradientRecorder(tmp_path / "first")
    fit(model, recorder)
    recorder.begin_anew(tmp_path / "second")
    with recorder.recording(model) as step_done:
        model.optimizer.apply([np.ones(v.shape, "float32") for v in model.trainable_variables])
        step_done(loss=3.0)
    assert load_run(tmp_path / "second").loss.tolist() == [3.0]


@pytest.mark.slow
def test_a_model_that_is_compiled_since_is_traced_anew(tmp_path):
    model = network()
    recorder = GradientRecorder(tmp_path / "first")
    fit(model, recorder)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    recorder.begin_anew(tmp_path / "second")
    fit(model, recorder)
    second = load_run(tmp_path / "second")
    assert np.allclose(second.learning_rate, 0.1)
    assert len(second.steps) == EPOCHS * STEPS


def test_bad_arguments_are_refused_before_anything_changes(tmp_path):
    recorder = GradientRecorder(tmp_path / "first")
    for arguments, error in (({"info": 1}, TypeError), ({"initial_epoch": -1}, ValueError)):
        with pytest.raises(error, match=next(iter(arguments))):
            recorder.begin_anew(tmp_path / "second", **arguments)
    assert recorder.run_dir == tmp_path / "first"
