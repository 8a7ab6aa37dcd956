"""The gate: no artefact passes that does not give what its model gives."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keraskip.export.artefact import probes as probing
from keraskip.export.artefact.differences import Outputs, by_output, largest, mean_difference
from keraskip.export.artefact.reference import Reference, UnansweredError, outputs_of, shapes_for
from keraskip.export.errors import ExportError, cause
from keraskip.export.formats import FORMATS
from keraskip.export.formats.format import Predict
from keraskip.export.formats.litert import CALIBRATED
from keraskip.export.network.contract import Contract, contract_of
from keraskip.export.network.shipping import shipping_of
from keraskip.export.network.tensors import Batch, Tensor

# Differences are relative to the largest number of an output.
# Folded normalisation rounds in another order.
FOLDED_TOLERANCE = 1e-4
# How many times the model's own rounding an artefact may differ, and at most.
# In sums of half a million numbers, runtimes lose 15 times what Keras loses.
ROUNDING = 30
MOST = 1e-3
# An output whose terms cancel is nothing but rounding: a smaller one counts as this large.
SMALL = 1e-3
# Samples of sizes that a model is not made for; there rounding may grow without a limit.
UNUSUAL = ("extreme", "unscaled")
# Pillow and TensorFlow scale images in float32, but in another order.
RAW_TOLERANCE = 1e-3
# Half precision has three digits, and each layer loses some of them.
HALF_TOLERANCE = 0.1


def compare(artefact: Any, model: keras.Model, samples: Any = None) -> dict[str, float]:
    """The difference between an opened artefact and a model, for each kind of samples.

    Args:
        artefact: the opened artefact.
        model: the model.
        samples: some real samples, to compare on as well. A network that computes in whole
            numbers knows the range of real samples only, so it is compared on these alone.

    Raises:
        ValueError: if the samples do not fit the model.
        ExportError: if a difference is larger than an export may have.
    """
    card = artefact.card
    contract = contract_of(model, None if getattr(model, "inputs", None) else _inputs(artefact))
    _check_alike(artefact.inputs, contract.inputs)
    real = contract.checked("samples", samples)
    reference = reference_of(shipping_of(model, fold=False).reference, contract, real)
    _check_alike(artefact.outputs, reference.outputs)
    reference.check_finite()
    kind, folded = card["quantization"], card["folded"] > 0
    return judged(card["format"], artefact, reference, kind, folded).differences


def _inputs(artefact: Any) -> Any:
    """Symbolic inputs, nested as the artefact's model took them."""
    tensors = [keras.KerasTensor((None, *each.shape), each.dtype) for each in artefact.inputs]
    return keras.tree.map_structure(tensors.__getitem__, artefact.card["nesting"])


def _check_alike(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    """ExportError unless artefact and model have the same inputs, or outputs."""
    if ours != theirs:
        raise ExportError(
            f"The model must have the tensors {_listed(ours)}. Received: {_listed(theirs)}"
        )


def _listed(tensors: Sequence[Tensor]) -> str:
    return "; ".join(
        f"{each}, 0 to {each.below - 1}" if each.below else str(each) for each in tensors
    )


def reference_of(
    model: keras.Model, contract: Contract, samples: Batch | None, raw: Batch | None = None
) -> Reference:
    """The model's outputs for samples of every kind.

    Args:
        model: the model.
        contract: its contract.
        samples: real samples.
        raw: what raw images become.
    """
    first, *others = shapes_for(model, contract, samples)
    further = [
        probing.only("other size", probing.noise(contract.inputs, shapes, 2)) for shapes in others
    ]
    if raw is not None:
        further.append(probing.only("raw", raw))
    found = probing.probes(contract.inputs, first, samples)
    try:
        return Reference(model, contract, [*found, *further])
    except UnansweredError:
        if samples is None:
            raise
    # A model of its own words and numbers.
    found = probing.probes(contract.inputs, first, samples, narrow=True)
    return Reference(model, contract, [*found, *further])


class Judgement(NamedTuple):
    """What was found of an artefact that passed.

    Attributes:
        differences: to the model, for each kind of samples.
        rounding: the model's own, for the kinds that needed more than the usual tolerance.
    """

    differences: dict[str, float]
    rounding: dict[str, float]


def judged(
    format: str, predict: Predict, reference: Reference, quantization: str | None, folded: bool
) -> Judgement:
    """The differences between artefact and model; ExportError if one is too large."""
    if quantization:
        return Judgement(_judged_in_the_mean(format, predict, reference, quantization), {})
    found = _differences(predict, reference)
    tolerance = max(FORMATS[format].tolerance, FOLDED_TOLERANCE if folded else 0.0)
    rounding: dict[str, float] = {}
    for kind, by_name in found.items():
        for name, difference in by_name.items():
            allowed = tolerance
            if not difference <= tolerance:
                own = reference.rounding[kind][name]
                allowed = max(tolerance, _by_rounding(kind, own, reference.sizes[name]))
                rounding[kind] = max(rounding.get(kind, 0.0), own)
            check({kind: difference}, {kind: allowed}, "The artefact")
    differences = {kind: max(by_name.values()) for kind, by_name in found.items()}
    return Judgement(differences, rounding)


def _differences(predict: Predict, reference: Reference) -> dict[str, dict[str, float]]:
    """The largest difference, by the kind of samples and the output; NaN stays NaN."""
    differences: dict[str, dict[str, float]] = {}
    for probe, expected in zip(reference.probes, reference.expected, strict=True):
        outputs = _predicted(predict, probe)
        for kind in probe.kinds:
            before = differences.setdefault(kind, {})
            found = by_output(
                probe.part(outputs, kind), probe.part(expected, kind), reference.sizes
            )
            for name, difference in found.items():
                before[name] = float(np.max([before.get(name, 0.0), difference]))
    return differences


def _predicted(predict: Predict, probe: probing.Probe) -> Outputs:
    """The outputs of an artefact; runtimes raise errors of their own."""
    try:
        return predict(probe.batch)
    except Exception as error:
        kinds = ", ".join(probe.kinds)
        raise ExportError(
            f"The artefact cannot run samples of kind {kinds}: {cause(error)}"
        ) from error


def _by_rounding(kind: str, own: float, size: float) -> float:
    """How much an output of this size may differ where the model's own rounding is `own`."""
    most = np.inf if kind in UNUSUAL else MOST * max(1.0, SMALL / size)
    return min(ROUNDING * own, most)


def _judged_in_the_mean(
    format: str, predict: Predict, reference: Reference, quantization: str
) -> dict[str, float]:
    kinds = {kind for each in reference.probes for kind in each.kinds}
    kind = "real" if "real" in kinds else "noise"
    means = [
        mean_difference(probe.part(_predicted(predict, probe), kind), expected)
        for probe, expected in reference.of_kind(kind)
    ]
    mean = float(np.max(means))
    advice = (
        f". An artefact in {quantization} knows the range of its representative samples only: "
        "compare it on such samples"
    )
    check({kind: mean}, {kind: FORMATS[format].mean_tolerance[quantization]},
          "In the mean, a quantised artefact",
          advice if kind == "noise" and quantization in CALIBRATED else "")  # fmt: skip
    return {f"{kind}, in the mean": mean}


def judged_raw(outputs: Mapping[str, Outputs], reference: Reference) -> dict[str, float]:
    """The differences of the signatures for raw images; ExportError if one is too large."""
    ((_, expected),) = reference.of_kind("raw")
    differences = {
        f"signature {signature}": largest(of_signature, expected, reference.sizes)
        for signature, of_signature in outputs.items()
    }
    check(differences, dict.fromkeys(differences, RAW_TOLERANCE), "A signature for raw images")
    return differences


def to_float32(model: keras.Model, reference: Reference) -> float:
    """The difference between the model in its precision and its float32 twin that is exported."""
    differences = [
        largest(
            probe.part(outputs_of(model, reference.contract, probe.batch), kind),
            expected,
            reference.sizes,
        )
        for kind in ("real", "noise")
        for probe, expected in reference.of_kind(kind)
    ]
    difference = float(np.max(differences))
    check({"usual": difference}, {"usual": HALF_TOLERANCE}, "In float32 the model")
    return difference


def check(
    differences: Mapping[str, float],
    tolerances: Mapping[str, float],
    what: str,
    advice: str = "",
) -> None:
    """ExportError if a difference is above its tolerance, or not a number."""
    for kind, difference in differences.items():
        if not difference <= tolerances[kind]:
            raise ExportError(
                f"{what} must give what the model gives, to {tolerances[kind]:g}. "
                f"Received: a difference of {difference:.3g} for samples of kind {kind!r}{advice}"
            )
