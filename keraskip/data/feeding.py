"""Feeds batches into Keras: by a `tf.data` pipeline on TensorFlow, else by a few threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

import keras
import numpy as np

from keraskip.data.batches import Batches, digest

AHEAD = 3


class TrainingFeed:
    """The training data for `fit`, prepared ahead of the steps, with a hash for each epoch.

    Args:
        batches: the batches, in an order by seed.
        epochs: the epochs to train.
    """

    def __init__(self, batches: Batches, epochs: range) -> None:
        self._batches = batches
        steps = batches.steps
        # Keras reads one batch even if no epoch is left.
        self._numbers = range(epochs.start * steps, epochs.stop * steps) or range(1)
        self._digests: dict[tuple[int, int], bytes] = {}

    def data(self) -> Any:
        """The argument for `fit(..., steps_per_epoch=batches.steps)`."""
        if keras.backend.backend() == "tensorflow":
            return _pipeline(self._batches, self._numbers, self._batch)
        return self._made_ahead()

    def hash_of(self, epoch: int) -> str:
        """The hash of all batches of a finished epoch."""
        steps = range(self._batches.steps)
        digests = b"".join(self._digests.pop((epoch, step)) for step in steps)
        return blake2b(digests).hexdigest()[:32]

    def _batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of this number, counted over all epochs."""
        epoch, step = divmod(int(number), self._batches.steps)
        images, labels = self._batches.at(epoch, step)
        self._digests[epoch, step] = digest(images, labels)
        return images, labels

    def _made_ahead(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        made: deque[Future] = deque()
        with ThreadPoolExecutor(2) as pool:
            for number in self._numbers:
                made.append(pool.submit(self._batch, number))
                if len(made) > AHEAD:
                    yield made.popleft().result()
            while made:
                yield made.popleft().result()


def evaluation_data(batches: Batches) -> Any:
    """All images in their order, for any number of evaluations."""
    if keras.backend.backend() == "tensorflow":
        return _pipeline(batches, range(batches.steps), lambda step: batches.at(0, int(step)))
    return _Steps(batches)


def _pipeline(batches: Batches, numbers: range, make: Any) -> Any:
    import tensorflow as tf

    images, labels = batches.at(0, 0)
    # In their order, the last batch may be smaller.
    size = None if batches.seed is None else len(labels)

    def made(number: Any) -> tuple[Any, Any]:
        x, y = tf.numpy_function(make, [number], [images.dtype, labels.dtype])
        x.set_shape((size, *images.shape[1:]))
        y.set_shape((size,))
        return x, y

    pipeline = tf.data.Dataset.range(numbers.start, numbers.stop)
    return pipeline.map(made, tf.data.AUTOTUNE, deterministic=True).prefetch(AHEAD)


class _Steps(keras.utils.PyDataset):
    """The batches one by one."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches = batches

    def __len__(self) -> int:
        return self._batches.steps

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        return self._batches.at(0, step)
