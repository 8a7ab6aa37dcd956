"""Looks at the batch of each training step: its loss, its inputs and its labels."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from keraskip.callbacks.columns import OF_BATCH
from keraskip.callbacks.step.batch import input_numbers, label_numbers, leaves

# How a training step of one's own, too, names the metric that it hands its loss to, or the loss
# that it returns.
LOSSES = ("loss", "total_loss")
# More classes or units than this are not told apart.
MOST_UNITS = 1024
# Classes that are told apart where the model does not tell how many there are.
CLASSES = 128


class BatchWatch:
    """Reads a model's batches while its training step is traced, or runs.

    Args:
        model: a compiled model.

    Attributes:
        widths: for each output, the number of units or classes that are told apart.
        width: number of the numbers of a batch.
        are_classes: for each output, whether its labels are numbers of classes.
        is_weighted: whether samples have weights.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._outputs = [tuple(output.shape) for output in symbolic_outputs(model)]
        self._is_sparse = "sparse" in str(model.loss)
        self.widths = [_width(shape) for shape in self._outputs] or [CLASSES]
        self.width = len(OF_BATCH) + sum(1 + 2 * width for width in self.widths)
        self.are_classes = [False] * len(self.widths)
        self.is_weighted = False
        # Of the step that is traced or runs now; replicas are traced in threads of their own.
        self._now = threading.local()
        self._metrics: list[keras.Metric] = []
        # These are means over an epoch so far, not losses of a step.
        self._means: list[keras.Metric] = []

    def attach(self) -> None:
        """Begins to read the losses that a step hands to its metrics, or returns."""
        model = self._model
        known = [*model.metrics, getattr(model, "_loss_tracker", None)]
        losses = {id(metric): metric for metric in known if metric and metric.name in LOSSES}
        self._metrics = list(losses.values())
        for metric in self._metrics:
            metric.update_state = partial(self._keep_loss, metric.update_state)
        if getattr(model.train_step, "__func__", None) is not keras.Model.train_step:
            # Keras itself may list one twice.
            self._means = list({id(metric): metric for metric in model.metrics}.values())
        for metric in self._means:
            metric.result = partial(self._keep_mean, metric.result)

    def detach(self) -> None:
        """Leaves the metrics as they were."""
        for metric in self._metrics:
            del metric.update_state
        for metric in self._means:
            del metric.result

    def begin(self, data: Any) -> None:
        """Looks at the data of a step."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        self._now.loss, self._now.means = None, []
        self._now.numbers = [*input_numbers(x), *self._of_labels(y)]
        self.is_weighted = weights is not None

    def end(self, logs: Any) -> list:
        """The numbers of the step that was begun: `OF_BATCH`, then the numbers of its labels.

        Args:
            logs: what the step returns.
        """
        loss, numbers = self._now.loss, self._now.numbers
        if loss is None:
            loss = self._returned(logs)
        del self._now.loss, self._now.means, self._now.numbers
        return [loss, *numbers]

    def _returned(self, logs: Any) -> Any:
        """The loss that a step returns; NaN if it returns none, or the mean of a metric."""
        for name in LOSSES:
            loss = logs.get(name) if isinstance(logs, Mapping) else None
            # Keras lets a step return anything under that name.
            is_number = ops.is_tensor(loss) or isinstance(loss, int | float)
            if is_number and not any(loss is mean for mean in self._now.means):
                return _as_number(loss)
        return float("nan")

    def _of_labels(self, y: Any) -> list:
        labels = leaves(y)
        if len(labels) != len(self.widths):
            return [float("nan")] * (self.width - len(OF_BATCH))
        numbers = []
        for index, (label, width) in enumerate(zip(labels, self.widths, strict=True)):
            are_classes, units = self._kind(index, label)
            self.are_classes[index] = are_classes
            count, means, variances = label_numbers(label, units, are_classes)
            # What no label can have: its mean may be NaN, its variance is never below 0.
            rest = width - units
            numbers += [count, means, [float("nan")] * rest, variances, [-1.0] * rest]
        return numbers

    def _kind(self, index: int, label: Any) -> tuple[bool, int]:
        """Whether labels are numbers of classes, and how many units or classes to tell apart."""
        width, rank = self.widths[index], len(label.shape)
        last = label.shape[-1] if rank else 1
        is_whole = self._is_sparse or "int" in keras.backend.standardize_dtype(label.dtype)
        if not self._outputs:
            return (True, width) if is_whole and (rank < 2 or last == 1) else (False, 1)
        axes = rank - (last == 1 and rank > 1)
        if is_whole and width > 1 and axes == len(self._outputs[index]) - 1:
            return True, width
        return False, width if last == width and rank > 1 else 1

    def _keep_loss(self, update_state: Callable, *args: Any, **kwargs: Any) -> Any:
        # Validation uses the same metrics.
        if hasattr(self._now, "loss"):
            loss = args[0] if args else next(iter(kwargs.values()))
            self._now.loss = _as_number(loss)
        return update_state(*args, **kwargs)

    def _keep_mean(self, result: Callable, *args: Any, **kwargs: Any) -> Any:
        mean = result(*args, **kwargs)
        if hasattr(self._now, "means"):
            self._now.means += keras.tree.flatten(mean)
        return mean


def symbolic_outputs(model: keras.Model) -> list:
    """The tensors that a model returns; none where it is no graph."""
    try:
        return list(model.outputs or [])
    except AttributeError:
        return []


def _as_number(loss: Any) -> Any:
    return ops.mean(ops.stop_gradient(ops.cast(loss, "float32")))


def _width(shape: Sequence[int | None]) -> int:
    units = shape[-1] if len(shape) > 1 else 1
    return units if units and units <= MOST_UNITS else 1
