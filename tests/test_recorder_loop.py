"""Recording a training loop of one's own."""

import keras
import numpy as np
import pytest
from by_hand import gradients_by_hand
from keras import layers, ops
from quiet import GradientRecorder

from keraskip import load_run
from keraskip.callbacks.hook import capture

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
STEPS, BATCH = 70, 4  # more than the buffer holds
IMAGES = RANDOM.normal(size=(STEPS, BATCH, 3)).astype("float32")
LABELS = RANDOM.normal(size=(STEPS, BATCH, 1)).astype("float32")


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((3,)), layers.Dense(5, "tanh"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def eager_step(model):
    def step(x, y):
        model.optimizer.apply(gradients_by_hand(model, x, y), model.trainable_variables)

    return step


def compiled_on_tensorflow(model):
    import tensorflow as tf

    # Without AutoGraph, which reads the source of Keras for seconds.
    return tf.function(eager_step(model), autograph=False)


def compiled_by_autograph(model):
    import tensorflow as tf

    return tf.function(eager_step(model))


def compiled_on_jax(model):
    """A step that keeps its state in between, and returns that of the optimizer."""
    import jax

    optimizer = model.optimizer

    @jax.jit
    def pure(trainable, state, x, y):
        def loss(trainable):
            outputs, _ = model.stateless_call(trainable, [], x, training=True)
            return model.compute_loss(x, y, outputs)

        return optimizer.stateless_apply(state, jax.grad(loss)(trainable), trainable)

    def step(x, y):
        trainable = [variable.value for variable in model.trainable_variables]
        state = [variable.value for variable in optimizer.variables]
        trainable, state = pure(trainable, state, x, y)
        for variable, value in zip(model.trainable_variables, trainable, strict=True):
            variable.assign(value)
        for variable, value in zip(optimizer.variables, state, strict=True):
            variable.assign(value)
        return state

    return step


STEP_MAKERS = {
    "tensorflow": [eager_step, compiled_on_tensorflow],
    "jax": [compiled_on_jax],
    "torch": [eager_step],
}[BACKEND]


def train(model, make_step, recorder=None, steps=STEPS):
    """Trains, and returns the weights."""

    def loop(step_done):
        step = make_step(model)
        for x, y in zip(IMAGES[:steps], LABELS[:steps], strict=True):
            state = step(x, y)
            step_done(*[state] if BACKEND == "jax" else [])

    if recorder:
        with recorder.recording(model) as step_done:
            loop(step_done)
    else:
        loop(lambda *state: None)
    return model.get_weights()


# On TensorFlow steps that are not compiled are slow; that they, too, may be more than the buffer
# holds is shown below, where they are lost.
LOOPS = [(make_step, STEPS) for make_step in STEP_MAKERS[-1:]]
if BACKEND == "tensorflow":
    LOOPS += [(eager_step, 6), pytest.param(eager_step, STEPS, marks=pytest.mark.slow)]
    LOOPS += [pytest.param(compiled_by_autograph, STEPS, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("make_step", "steps"), LOOPS)
def test_every_step_is_recorded_and_nothing_else_changes(tmp_path, make_step, steps):
    unmonitored, model = train(network(), make_step, steps=steps), network()
    before = dict(vars(model.optimizer))
    monitored = train(model, make_step, GradientRecorder(tmp_path), steps=steps)
    for expected, found in zip(unmonitored, monitored, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert vars(model.optimizer).keys() == before.keys()
    assert len(model.optimizer.variables) == len(network().optimizer.variables)
    run = load_run(tmp_path)
    assert run.info["status"] == "finished"
    np.testing.assert_array_equal(run.steps, np.arange(steps))
    norms = [np.linalg.norm(ops.convert_to_numpy(g)) for g in first_gradients()]
    np.testing.assert_allclose(run.grad_norm[0], norms, rtol=1e-5)


def first_gradients():
    return gradients_by_hand(network(), IMAGES[0], LABELS[0])


def test_chosen_steps_and_a_second_loop(tmp_path):
    model, recorder = network(), GradientRecorder(tmp_path, every=2)
    for _ in range(2):
        train(model, STEP_MAKERS[0], recorder, steps=3)
    assert load_run(tmp_path).steps.tolist() == [0, 2, 4]


def test_the_loss_that_a_loop_hands_over(tmp_path):
    """Of all steps but one, which is not told; more of them than the buffer holds."""
    model = network()
    step = STEP_MAKERS[-1](model)
    expected = np.random.default_rng(0).uniform(size=STEPS).astype("float32")
    with GradientRecorder(tmp_path).recording(model) as step_done:
        for number, (x, y) in enumerate(zip(IMAGES, LABELS, strict=True)):
            state = step(x, y)
            told = {} if number == 5 else {"loss": ops.convert_to_tensor(expected[number])}
            step_done(*[state] if BACKEND == "jax" else [], **told)
    expected[5] = np.nan
    np.testing.assert_array_equal(load_run(tmp_path).loss, expected)


def run_steps(recorder, model, step, count, *, done=True, error=None):
    """Some steps, after which the loop may fail; `done` says whether it reports each."""
    with recorder.recording(model) as step_done:
        for x, y in zip(IMAGES[:count], LABELS[:count], strict=True):
            state = step(x, y)
            if done:
                step_done(*[state] if BACKEND == "jax" else [])
        if error:
            raise error


def test_a_loop_that_fails_keeps_its_steps(tmp_path):
    model = network()
    step = STEP_MAKERS[0](model)
    with pytest.raises(ZeroDivisionError):
        run_steps(GradientRecorder(tmp_path), model, step, 3, error=ZeroDivisionError())
    run = load_run(tmp_path)
    assert run.info["status"] == "interrupted"
    assert run.steps.tolist() == [0, 1, 2]
    # Unmonitored again.
    STEP_MAKERS[0](model)(IMAGES[0], LABELS[0])
    assert len(load_run(tmp_path).steps) == 3


@pytest.mark.skipif(BACKEND != "tensorflow", reason="how a step of TensorFlow is compiled")
def test_a_step_from_before_is_reported(tmp_path):
    model = network()
    step = compiled_on_tensorflow(model)
    step(IMAGES[0], LABELS[0])
    with pytest.warns(UserWarning, match="trace the step inside"):
        run_steps(GradientRecorder(tmp_path), model, step, 1)


@pytest.mark.skipif(BACKEND == "jax", reason="on JAX the state must be handed over")
def test_lost_steps_are_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(capture, "CAPACITY", 4)
    model = network()
    with pytest.warns(UserWarning, match="3 steps are missing in the record of 7"):
        run_steps(GradientRecorder(tmp_path), model, eager_step(model), 7, done=False)
    assert load_run(tmp_path).steps.tolist() == list(range(3, 7))


def test_an_optimizer_that_is_built_inside_keeps_its_state(tmp_path):
    model = network()
    optimizer = keras.optimizers.Adam(0.01)
    with (
        pytest.warns(UserWarning, match="No step was recorded. Call the function"),
        GradientRecorder(tmp_path).recording(model, optimizer),
    ):
        optimizer.build(model.trainable_variables)
    expected = keras.optimizers.Adam(0.01)
    expected.build(model.trainable_variables)
    names = [variable.name for variable in expected.variables]
    assert [variable.name for variable in optimizer.variables] == names


def test_one_recorder_at_a_time(tmp_path):
    model = network()
    with (
        pytest.warns(UserWarning, match="No step was recorded. Call the function"),
        GradientRecorder(tmp_path / "first").recording(model),
        pytest.raises(ValueError, match="one GradientRecorder at a time"),
    ):
        run_steps(GradientRecorder(tmp_path / "second"), model, None, 0)
    train(model, STEP_MAKERS[-1], steps=1)


class Interrupt(keras.callbacks.Callback):
    """Ends the training outside of its step."""

    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def test_a_loop_after_an_interrupted_fit(tmp_path):
    model, hook = network(), "stateless_apply" if BACKEND == "jax" else "apply"
    callbacks = [GradientRecorder(tmp_path / "fit"), Interrupt()]
    with pytest.raises(KeyboardInterrupt):
        model.fit(IMAGES[0], LABELS[0], batch_size=2, verbose=0, callbacks=callbacks)
    train(model, STEP_MAKERS[0], GradientRecorder(tmp_path / "loop"), steps=3)
    assert load_run(tmp_path / "loop").steps.tolist() == list(range(3))
    assert hook not in vars(model.optimizer)


def test_a_hook_of_someone_else_stays(tmp_path):
    model, hook = network(), "stateless_apply" if BACKEND == "jax" else "apply"
    original, calls = getattr(model.optimizer, hook), []

    def counting(*args, **kwargs):
        calls.append(1)
        return original(*args, **kwargs)

    setattr(model.optimizer, hook, counting)
    train(model, STEP_MAKERS[0], GradientRecorder(tmp_path), steps=2)
    assert vars(model.optimizer)[hook] is counting
    assert calls


def test_a_model_without_optimizer(tmp_path):
    model = keras.Sequential([layers.Input((3,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="optimizer=None"):
        run_steps(GradientRecorder(tmp_path), model, None, 0)
