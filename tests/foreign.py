"""A row in the tables of models as people write them, and the ways in which people feed them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

BACKEND = keras.backend.backend()
ALL = ("tensorflow", "jax", "torch")
STEPS, BATCH = 3, 4
ROWS = STEPS * BATCH
RANDOM = np.random.default_rng(0)


def arrays(x, y, weights):
    return {"x": x, "y": y, "sample_weight": weights, "batch_size": BATCH}


def of_default(model, x, y, weights):
    return model.compute_loss(x, y, model(x, training=True), weights)


def of_a_call_without_training(model, x, y, weights):
    return model.compute_loss(x, y, model(x), weights)


class Foreign(NamedTuple):
    """A model, what it is trained on, and how.

    Attributes:
        build: makes the compiled model.
        x, y, weights: data of all steps, as arrays or structures of arrays.
        feed: makes the arguments of `fit` from the data.
        loss: the loss of a batch, of a model, `x`, `y` and weights.
        backends: where the model can be trained.
        scale: factor on the loss, against underflow in float16.
        tolerance: relative, of a gradient's norm.
    """

    build: Callable[[], keras.Model]
    x: Any
    y: Any = None
    weights: Any = None
    feed: Callable[..., dict] = arrays
    loss: Callable[..., Any] = of_default
    backends: tuple[str, ...] = ALL
    scale: float = 1.0
    tolerance: float = 1e-5

    def batch(self, step):
        """The data of one step, as tensors: `x`, `y` and the weights."""
        return part((self.x, self.y, self.weights), step, keras.ops.convert_to_tensor)


def foreign(*data, **options):
    """Makes a function that builds a model into a row of the table."""
    return lambda build: Foreign(build, *data, **options)


def compiled(model, loss="sparse_categorical_crossentropy", optimizer="adam", **options):
    model.compile(optimizer, loss, **options)
    return model


def part(tree, step, as_batch=lambda rows: rows):
    """The rows of one step in a structure of arrays."""
    if isinstance(tree, tuple | list):
        return tuple(part(member, step, as_batch) for member in tree)
    if isinstance(tree, dict):
        return {name: part(member, step, as_batch) for name, member in tree.items()}
    return None if tree is None else as_batch(tree[step * BATCH : (step + 1) * BATCH])


def whole_batch(tree, step):
    """A batch as data sets give it, without what is missing at its end."""
    x, y, weights = part(tree, step)
    return (x, y) if weights is None else (x, y, weights)


def as_pydataset(*data):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return STEPS

        def __getitem__(self, step):
            return whole_batch(data, step)

    return {"x": Batches()}


def as_generator(*data):
    def batches():
        while True:
            yield from (whole_batch(data, step) for step in range(STEPS))

    return {"x": batches(), "steps_per_epoch": STEPS}


def as_tf_data(*data):
    tf = pytest.importorskip("tensorflow", reason="the data set is one of TensorFlow")
    given = tuple(member for member in data if member is not None)
    data = tf.data.Dataset.from_tensor_slices(given).batch(BATCH).repeat().prefetch(1)
    return {"x": data, "steps_per_epoch": STEPS}


def as_loader(x, y, _):
    torch = pytest.importorskip("torch", reason="the data set is one of PyTorch")
    tensors = [torch.as_tensor(member) for member in (x, y)]
    data = torch.utils.data.TensorDataset(*tensors)
    return {"x": torch.utils.data.DataLoader(data, BATCH)}
