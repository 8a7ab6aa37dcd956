"""Batches on their way into Keras: a `tf.data` pipeline on TensorFlow, else a few threads."""

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
    """What `fit` reads, made ahead of the step that takes it, and a hash of what it reads.

    Args:
        batches: the batches, in an order by seed.
        epochs: the epochs to go through.
    """

    def __init__(self, batches: Batches, epochs: range) -> None:
        self._batches = batches
        steps = batches.steps
        # Keras looks at one batch even if no epoch is left.
        self._numbers = range(epochs.start * steps, epochs.stop * steps) or range(1)
        self._digests: dict[tuple[int, int], bytes] = {}

    def data(self) -> Any:
        """For `fit(..., steps_per_epoch=batches.steps)`."""
        if keras.backend.backend() == "tensorflow":
            return _pipeline(self._batches, self._numbers, self._noted)
        return self._made_ahead()

    def hash_of(self, epoch: int) -> str:
        """Of all batches of an epoch that is over."""
        steps = range(self._batches.steps)
        return blake2b(b"".join(self._digests.pop((epoch, step)) for step in steps)).hexdigest()[
            :32
        ]

    def _noted(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of this number, counted over all epochs."""
        epoch, step = divmod(int(number), self._batches.steps)
        images, labels = self._batches.at(epoch, step)
        self._digests[epoch, step] = digest(images, labels)
        return images, labels

    def _made_ahead(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        made: deque[Future] = deque()
        with ThreadPoolExecutor(2) as pool:
            for number in self._numbers:
                made.append(pool.submit(self._noted, number))
                if len(made) > AHEAD:
                    yield made.popleft().result()
            while made:
                yield made.popleft().result()


def evaluation_data(batches: Batches) -> Any:
    """All images in their order, as often as they are asked for."""
    if keras.backend.backend() == "tensorflow":
        return _pipeline(batches, range(batches.steps), lambda step: batches.at(0, int(step)))
    return _Steps(batches)


def _pipeline(batches: Batches, numbers: range, make: Any) -> Any:
    import tensorflow as tf

    images, labels = batches.at(0, 0)
    # Data in their order may end in a smaller batch.
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
