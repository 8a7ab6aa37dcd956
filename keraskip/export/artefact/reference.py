"""What the model gives for the probes, and how much of it is rounding."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from keraskip.export.artefact import probes as probing
from keraskip.export.artefact.differences import NUMBERS, by_output, size_of
from keraskip.export.artefact.kinds import is_whole
from keraskip.export.artefact.probes import USUAL, Probe
from keraskip.export.errors import ExportError, cause
from keraskip.export.network.contract import Contract
from keraskip.export.network.rebuild import for_inference
from keraskip.export.network.tensors import Batch, Tensor
from keraskip.graph import has_graph

# The sides to try where the model leaves them open, images first, and the shares of them to try as
# well.
IMAGE_SIDES = (64, 224)
SIDES = (16, 64, 8, 4, 2, 1, 256, 1024)
SHARES = (0.75, 0.5)
LAST_DIGIT = float(np.finfo("float32").eps)


class Reference:
    """The outputs of a model.

    Attributes:
        model: the model.
        contract: its contract.
        shapes: the shape of most samples, by the name of the input.
        probes: the batches.
        expected: the outputs for each of them.
        sizes: how large the numbers of each output usually are.
    """

    def __init__(self, model: keras.Model, contract: Contract, probes: Sequence[Probe]) -> None:
        self.model, self.contract, self.probes = model, contract, probes
        self.shapes = {name: each.shape[1:] for name, each in probes[0].batch.items()}
        self.expected = [_answered(model, contract, probe) for probe in probes]
        # One sample alone, real or random; extreme ones would hide errors of the others.
        self.sizes = {name: size_of(values) for name, values in self.expected[0].items()}

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The outputs of the contract; a layer may announce whole numbers and give strings."""
        return tuple(
            each
            if self.expected[0][each.name].dtype.kind in NUMBERS
            else replace(each, dtype="string")
            for each in self.contract.outputs
        )

    def of_kind(self, kind: str) -> Iterator[tuple[Probe, Batch]]:
        """The probes with samples of this kind, and the outputs for those."""
        for probe, outputs in zip(self.probes, self.expected, strict=True):
            if kind in probe.kinds:
                yield probe, probe.part(outputs, kind)

    def check_finite(self) -> None:
        """ExportError if the model gives NaN or infinity for usual samples.

        Nothing but padding is not usual: a mean over no token is NaN.
        """
        padded = any(is_whole(each) for each in self.contract.inputs)
        for kind in (kind for kind in USUAL if kind != "constant" or not padded):
            for _, outputs in self.of_kind(kind):
                for name, values in outputs.items():
                    if values.dtype.kind == "f" and not np.isfinite(values).all():
                        raise ExportError(
                            "A model to export must give finite numbers; an untrained deep network "
                            "may overflow float32, as its batch normalisation has no statistics "
                            f"yet. Received: NaN or infinity in {name!r} for samples of kind "
                            f"{kind!r}"
                        )

    @cached_property
    def rounding(self) -> dict[str, dict[str, float]]:
        """How much of each output is rounding, by the kind of samples and the output.

        The larger of two changes: with every weight and sample off by its last digit, and in
        float64. Whole numbers and strings have none, and where the change is not finite, it says
        nothing, so it counts as 0.
        """
        random = np.random.default_rng(0)
        with keras.StatelessScope(_nudged_weights(self.model, random)):
            found = [
                {name: _nudged(values, random) for name, values in probe.batch.items()}
                for probe in self.probes
            ]
            others = [[outputs_of(self.model, self.contract, batch) for batch in found]]
        if twin := _in_float64(self.model):
            others.append([outputs_of(twin, self.contract, probe.batch) for probe in self.probes])
        return {
            kind: {name: self._change(kind, name, others) for name in self.sizes}
            for kind in {kind for probe in self.probes for kind in probe.kinds}
        }

    def _change(self, kind: str, name: str, others: Sequence[Sequence[Batch]]) -> float:
        """The largest difference between an output and the same output of others."""
        if self.expected[0][name].dtype.kind != "f":
            return 0.0
        changes = [
            by_output(probe.part(other, kind), probe.part(own, kind), self.sizes)[name]
            for outputs in others
            for probe, other, own in zip(self.probes, outputs, self.expected, strict=True)
            if kind in probe.kinds
        ]
        return float(np.max(changes)) if np.isfinite(changes).all() else 0.0


def outputs_of(model: keras.Model, contract: Contract, batch: Batch) -> Batch:
    """The model's outputs for a batch, by their names; numbers with a fraction as float32."""
    outputs = keras.tree.flatten(model(contract.tensors(batch), training=False))
    return {
        each.name: _as_array(output) for each, output in zip(contract.outputs, outputs, strict=True)
    }


class UnansweredError(ExportError):
    """Samples that the model does not take."""


def _answered(model: keras.Model, contract: Contract, probe: Probe) -> Batch:
    """The outputs; `UnansweredError` if the model does not take the samples."""
    try:
        return outputs_of(model, contract, probe.batch)
    except Exception as error:
        # Backends and layers raise whatever they like.
        advice = (
            ""
            if "real" in probe.kinds
            else ("samples= may show words and whole numbers that it takes. ")
        )
        raise UnansweredError(
            f"The model cannot run samples of kind {', '.join(probe.kinds)}: {cause(error)}. "
            f"{advice}Received: {'; '.join(map(str, contract.inputs))}"
        ) from error


def shapes_for(
    model: keras.Model, contract: Contract, samples: Batch | None
) -> list[dict[str, tuple[int, ...]]]:
    """The shapes to compare on; two if the model leaves sides open and takes others, too.

    Raises:
        ExportError: if the model takes none of the sides that are tried.
    """
    inputs = contract.inputs
    if not any(None in each.shape for each in inputs):
        return [probing.shapes_of(inputs, None, 0)]
    if samples is not None:
        first = probing.shapes_of(inputs, samples, 0)
    else:
        first = _first_shapes(model, contract)
    others = (probing.smaller(inputs, first, share) for share in SHARES)
    return [first, *[other for other in others if _takes(model, contract, other)][:1]]


def _first_shapes(model: keras.Model, contract: Contract) -> dict[str, tuple[int, ...]]:
    """The shapes with the first of the usual sides that the model takes."""
    sides = (*IMAGE_SIDES, *SIDES) if contract.image else SIDES
    tried = (probing.shapes_of(contract.inputs, None, side) for side in sides)
    first = next((shapes for shapes in tried if _takes(model, contract, shapes)), None)
    if first is None:
        raise ExportError(
            f"The model takes no samples whose open sides are {', '.join(map(str, sides))}: "
            "an export needs samples= that it takes. "
            f"Received: {'; '.join(map(str, contract.inputs))}"
        )
    return first


def _takes(model: keras.Model, contract: Contract, shapes: Mapping[str, tuple]) -> bool:
    try:
        outputs_of(model, contract, probing.noise(contract.inputs, shapes, 1))
    except Exception:
        # Backends and layers raise whatever they like.
        return False
    return True


def _as_array(output: Any) -> np.ndarray:
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(output.dtype)):
        output = keras.ops.cast(output, "float32")
    return np.asarray(keras.ops.convert_to_numpy(output))


def _in_float64(model: keras.Model) -> keras.Model | None:
    """The model in float64; None where that cannot be had."""
    if not has_graph(model) or keras.backend.backend() == "jax":
        return None
    try:
        return for_inference(model, "float64")
    except Exception:
        # A layer of somebody's own may know float32 only.
        return None


def _nudged(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Numbers with a fraction, each off by its last digit or not."""
    if values.dtype.kind != "f":
        return values
    off = 1 + LAST_DIGIT * random.integers(-1, 2, values.shape)
    return np.asarray(values * off, values.dtype)


def _nudged_weights(model: keras.Model, random: np.random.Generator) -> list[tuple[Any, Any]]:
    return [
        (variable, keras.ops.convert_to_tensor(_nudged(_as_array(variable.value), random)))
        for variable in model.variables
        if keras.backend.standardize_dtype(variable.dtype) == "float32"
    ]
