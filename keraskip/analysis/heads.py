"""The outputs of a model: each with its activation, its loss and its labels, as the run says."""

from typing import Any, NamedTuple

import numpy as np

from keraskip.runs import Run

CATEGORICAL = ("categoricalcrossentropy", "sparsecategoricalcrossentropy")
BINARY = ("binarycrossentropy",)
SQUARED = ("mse", "meansquarederror")
# Losses that grow as the error does, where it is large.
LINEAR = ("mae", "meanabsoluteerror", "huber", "logcosh")
# Losses of a target and an answer that should equal it.
COMPARING = (*SQUARED, *LINEAR, *CATEGORICAL, *BINARY)
ACCURACIES = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy",
              "binary_accuracy")  # fmt: skip

# They change no number. The call before such an output makes it.
OF_SHAPE = ("Reshape", "Flatten", "Permute", "Squeeze", "Cropping1D", "Cropping2D", "UpSampling2D")

# Labels whose deviation is a millionth of their size are one number. Shares, which are means over
# many batches, are rounded as well.
SAME_LABELS = 1e-12


class Head(NamedTuple):
    """An output of a model.

    Attributes:
        name: the layer; empty if unknown.
        units: the size of its last axis; 0 if unknown.
        activation: its name; `"linear"` for none, empty if unknown.
        loss: the name of the loss in small letters without underscores; empty if unknown.
        from_logits: whether the loss takes logits.
        labels: class `shares`, or `mean`, `variance` and, for several units, `means`; empty if
            unknown. `nonfinite` counts the batches with labels that were not finite.
        kind: the class of the layer in Keras; empty if unknown.
    """

    name: str
    units: int
    activation: str
    loss: str
    from_logits: bool
    labels: dict[str, Any]
    kind: str = ""

    @property
    def is_categorical(self) -> bool:
        """Whether the loss is a crossentropy over classes."""
        return self.loss in CATEGORICAL

    @property
    def is_crossentropy(self) -> bool:
        """Whether the loss is a crossentropy of any kind."""
        return self.loss in CATEGORICAL + BINARY

    @property
    def is_constant(self) -> bool:
        """Whether all its labels are known to be the same."""
        if len(self.shares):
            return bool(self.shares.max() > 1 - SAME_LABELS)
        mean, variance = (self.labels.get(key, np.nan) for key in ("mean", "variance"))
        # The variance of a number in single precision is rounded, too.
        is_one = len(self.labels.get("means") or ()) < 2
        return bool(is_one and variance <= SAME_LABELS * mean**2)

    @property
    def shares(self) -> np.ndarray:
        """The share of each class among the labels, numbers or one-hot rows; empty if unknown."""
        shares = np.array(self.labels.get("shares") or (), float)
        means = np.array(self.labels.get("means") or (), float)
        is_one_hot = self.is_categorical and abs(means.sum() - 1) < 1e-3
        return shares if len(shares) or not is_one_hot else means


def heads_of(run: Run) -> list[Head]:
    """The outputs that `run.json` describes, in order; those it does not are unknown."""
    training = run.info.get("training") or {}
    outputs = run.info.get("outputs") or []
    labels = {row.get("output", 0): row for row in run.info.get("labels") or []}
    losses = _by_output(training.get("loss"), [output["layer"] for output in outputs])
    count = max(len(outputs), len(losses), len(labels))
    heads = []
    for number in range(count):
        known = outputs[number] if number < len(outputs) else None
        heads.append(
            Head(
                name=(known["layer"] or "") if known else "",
                units=int(known.get("units") or 0) if known else 0,
                activation=_activation_of(run, known) if known else "",
                loss=losses[number] if number < len(losses) else "",
                # A loss that is given by its name takes probabilities.
                from_logits=bool(training.get("from_logits")),
                labels=labels.get(number, {}),
                kind=_kinds(run).get(known["layer"], "") if known else "",
            )
        )
    return heads


def _kinds(run: Run) -> dict[str, str]:
    """The class of the layer of each call."""
    info = run.info
    return dict(zip(info.get("calls") or [], info.get("kinds") or [], strict=False))


def _activation_of(run: Run, output: dict[str, Any]) -> str:
    """Its name; of a layer that gives its input another shape, that of the call before."""
    if not output["activation"] and _kinds(run).get(output["layer"]) in OF_SHAPE:
        return activation_before(run, output["layer"])
    return output["activation"] or "linear"


def activation_before(run: Run, layer: str) -> str:
    """The activation of the call before that of a layer, the output; empty if unknown.

    Where there are several outputs, the call before may belong to another one.
    """
    calls, activations = run.info.get("calls") or [], run.info.get("activations") or []
    if len(run.info.get("outputs") or []) != 1 or layer not in calls[1:]:
        return ""
    # A layer may be called several times, and the last one makes the output.
    last = len(calls) - 1 - calls[::-1].index(layer)
    return activations[last - 1] or "" if last <= len(activations) else ""


def _by_output(loss: Any, names: list[str]) -> list[str]:
    if isinstance(loss, dict):
        loss = [loss.get(name) for name in names] if names else list(loss.values())
    elif not isinstance(loss, list):
        loss = [] if loss is None else [loss]
    return [str(name or "").lower().replace("_", "") for name in loss]


def broken_labels(run: Run) -> int:
    """The number of batches with labels that were not finite, of the output with the most."""
    return max((row.get("nonfinite", 0) for row in run.info.get("labels") or []), default=0)


def constant_guess(run: Run, with_factors: bool = True) -> float:
    """The loss of the best constant answer; NaN where it cannot be known.

    For a crossentropy it is the entropy of the class shares, for a squared error the variance. The
    losses of several outputs add up.

    Args:
        run: a run.
        with_factors: whether the `loss_weights` of `compile` count.
    """
    heads = heads_of(run)
    factors = _factors(run, heads) if with_factors else np.ones(len(heads))
    # Of several outputs some may be without a loss.
    is_one = not isinstance((run.info.get("training") or {}).get("loss"), list | dict)
    counts = np.array([bool(head.loss) or is_one for head in heads], bool)
    heads = [head for head, has_loss in zip(heads, counts, strict=True) if has_loss]
    if not heads or not all(head.loss and head.labels for head in heads):
        return _entropy_of_equal_classes(run)
    guesses = [guess_of(head) for head in heads]
    return float(np.dot(factors[counts], guesses))


def _factors(run: Run, heads: list[Head]) -> np.ndarray:
    """What `compile` multiplies the loss of each output by; NaN where a run does not tell."""
    given = (run.info.get("training") or {}).get("loss_weights", "unknown")
    if isinstance(given, dict):
        given = [given.get(head.name, 1.0) for head in heads]
    # Runs written before factors were recorded; one output seldom has any.
    if given is None or (given == "unknown" and len(heads) == 1):
        return np.ones(len(heads))
    if not isinstance(given, list) or len(given) != len(heads):
        return np.full(len(heads), np.nan)
    if not all(factor is None or isinstance(factor, int | float) for factor in given):
        return np.full(len(heads), np.nan)
    return np.array([1.0 if factor is None else factor for factor in given], float)


def guess_of(head: Head) -> float:
    """The loss of the best constant answer of one output; NaN where it cannot be known."""
    if head.labels.get("weighted") or "nonfinite" in head.labels:
        return np.nan
    if head.loss in SQUARED:
        return float(head.labels.get("variance", np.nan))
    if head.is_crossentropy and len(head.shares):
        return _entropy(head.shares)
    if head.loss in BINARY:
        means = head.labels.get("means") or [head.labels["mean"]] * (head.units == 1)
        # Labels beyond 0 to 1: their crossentropy has no lower bound.
        mean, variance = head.labels.get("mean", np.nan), head.labels.get("variance", 0.0)
        if mean**2 + variance > 1.01 * mean:
            return np.nan
        entropies = [_entropy(np.array([mean, 1 - mean])) for mean in means]
        return float(np.mean(entropies)) if entropies else np.nan
    return np.nan


def chance(run: Run) -> float:
    """The accuracy of the best constant answer; NaN where it cannot be known."""
    heads = heads_of(run)
    if len(heads) == 1 and len(heads[0].shares):
        return float(heads[0].shares.max())
    if len(heads) == 1 and heads[0].loss in BINARY and 0 < heads[0].labels.get("mean", -1) < 1:
        means = np.array(heads[0].labels.get("means") or [heads[0].labels["mean"]])
        return float(np.maximum(means, 1 - means).mean())
    return 1 / run.info["classes"] if run.info.get("classes") else np.nan


def training_accuracy(run: Run) -> float:
    """The accuracy of the last epoch on the training samples; NaN if there is none."""
    for name in ACCURACIES:
        if name in run.epochs and len(run.epochs):
            return float(run.epochs[name].iloc[-1])
    return np.nan


def _entropy(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    # Shares of float32 may exceed 1.
    return max(0.0, float(-(positive * np.log(positive)).sum()))


def _entropy_of_equal_classes(run: Run) -> float:
    """For runs of studies recorded without labels: they train with a crossentropy."""
    is_study = "trial" in run.info and "labels" not in run.info
    return float(np.log(run.info["classes"])) if is_study and "classes" in run.info else np.nan
