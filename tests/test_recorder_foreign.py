"""The recorder on models of all kinds, as people write them: each gradient equals a tape's."""

from functools import partial

import foreign_images
import foreign_sequences
import foreign_tables
import keras
import numpy as np
import pytest
from by_hand import gradient_function
from foreign import BACKEND, STEPS, Foreign
from members import quick

from keraskip import GradientRecorder, load_run

QUICK = (
    "gpt", "lora",
)  # fmt: skip
TABLES = foreign_images, foreign_sequences, foreign_tables
MODELS = {
    name: case
    for table in TABLES
    for name, case in vars(table).items()
    if isinstance(case, Foreign) and BACKEND in case.backends
}


def values_of(model):
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in model.variables]


class Keep(keras.callbacks.Callback):
    """Keeps all variables as they are before each step, and the random state of PyTorch."""

    def __init__(self):
        super().__init__()
        self.values, self.random = [], []

    def on_train_batch_begin(self, batch, logs=None):
        if BACKEND == "jax":
            self.model.jax_state_sync()
        self.values.append(values_of(self.model))
        self.random.append(random_state())


def random_state():
    """What Keras draws from on PyTorch, besides its own variables; a function restores it."""
    if BACKEND != "torch":
        return lambda: None
    import torch

    return partial(torch.set_rng_state, torch.get_rng_state())


def made(case):
    keras.utils.clear_session(free_memory=False)  # names count from the start again
    keras.utils.set_random_seed(0)
    return case.build()


def norms_by_hand(case, keep):
    """The norm of each weight's gradient, step by step, at the values that the variables had."""
    model = made(case)
    case.loss(model, *case.batch(0))
    if len(keep.values[0]) < len(model.variables):  # the others are made in the first step
        keep.values[0] = values_of(model)
    trained = model.trainable_variables
    others = [v for v in model.variables if all(v is not weight for weight in trained)]
    gradients = gradient_function(
        lambda *batch: case.scale * case.loss(model, *batch), trained, others
    )
    for step, (values, restore) in enumerate(zip(keep.values, keep.random, strict=True)):
        restore()
        for variable, value in zip(model.variables, values, strict=True):
            variable.assign(value)
        norms = [norm(grad) / case.scale for grad in gradients(*case.batch(step))]
        yield dict(zip([weight.path for weight in trained], norms, strict=True))


def norm(grad):
    if grad is None:
        return np.nan
    grad = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(grad))
    return np.linalg.norm(grad.astype("float64"))


@pytest.mark.parametrize("name", quick(QUICK, MODELS))
def test_gradients_of_three_steps(tmp_path, name):
    case, keep = MODELS[name], Keep()
    fed = case.feed(case.x, case.y, case.weights)
    made(case).fit(**fed, shuffle=False, verbose=0, callbacks=[keep, GradientRecorder(tmp_path)])
    run = load_run(tmp_path)
    assert run.steps.tolist() == list(range(STEPS))
    for step, expected in enumerate(norms_by_hand(case, keep)):
        assert len(expected) == len(run.weights)
        found = dict(zip(run.weights["path"], run.grad_norm[step], strict=True))
        assert_equal(found, expected, case.tolerance)


def assert_equal(found, expected, tolerance):
    # Below it, rounding is what is left of a gradient of 0, such as that of the bias of keys.
    least = tolerance * np.nanmax(list(expected.values()))
    found, expected = (
        {path: np.maximum(norm, least) for path, norm in norms.items()}
        for norms in (found, expected)
    )
    assert found == pytest.approx(expected, rel=tolerance, abs=1e-2 * least, nan_ok=True)
