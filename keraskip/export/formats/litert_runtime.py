"""Runs a file of LiteRT: batches of any size, also where the file takes one size alone."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from keraskip.export.network.tensors import Batch
from keraskip.machine import processors

FILE = "model.tflite"
INT8 = np.iinfo("int8")


class Runner:
    """An artefact, loaded by the interpreter of LiteRT with a thread for each processor."""

    def __init__(self, folder: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(str(folder / FILE), num_threads=processors())
        self.run = self.interpreter.get_signature_runner()
        # An input that no output depends on is not there.
        self.inputs = self.run.get_input_details()
        self.outputs = self.run.get_output_details()
        self.size = _batch_size(self.inputs)
        # All calls compute in the same memory.
        self.alone = Lock()

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """The outputs for a batch of any size."""
        numbers = {name: _as_stored(batch[name], detail) for name, detail in self.inputs.items()}
        with self.alone:
            found = _in_turns(self.run, numbers, self.size) if self.size else self.run(**numbers)
        return {name: _as_floats(values, self.outputs[name]) for name, values in found.items()}

    def about(self) -> dict[str, str]:
        """The batch that the file takes, numbers that are not float32, and how it was run."""
        # LiteRT has no public call that says so.
        operations = {each["op_name"] for each in self.interpreter._get_ops_details()}
        delegate = "and the delegate XNNPACK" if "DELEGATE" in operations else "and no delegate"
        size = f"{self.size}; keraskip.Artefact takes larger ones in turns"
        return {
            **({"batches of the file": size} if self.size else {}),
            **{
                f"numbers of {kind}s in the file": ", ".join(map(_stored_as, details.values()))
                for kind, details in (("input", self.inputs), ("output", self.outputs))
                if any(map(_is_scaled, details.values()))
            },
            "runs with": f"{processors()} threads {delegate}",
        }


def _batch_size(inputs: Mapping[str, Any]) -> int | None:
    """The size of the batches that the file takes; None for any."""
    sizes = [int(each["shape_signature"][0]) for each in inputs.values()]
    return sizes[0] if sizes and sizes[0] > 0 else None


def _in_turns(run: Any, batch: Batch, size: int) -> dict[str, np.ndarray]:
    """The outputs of a batch, computed in parts of one size; the last sample fills the last."""
    count = len(next(iter(batch.values())))
    # A runner hands out its own memory, which the next turn writes again.
    parts = [
        {name: values.copy() for name, values in run(**part).items()}
        for part in _parts(batch, count, size)
    ]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: values[:count] for name, values in whole.items()}


def _parts(batch: Batch, count: int, size: int) -> Iterator[Batch]:
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        yield {name: values[rows] for name, values in batch.items()}


def _is_scaled(detail: Mapping[str, Any]) -> bool:
    """Whether whole numbers in the file stand for numbers with a fraction."""
    return bool(detail["quantization"][0])


def _stored_as(detail: Mapping[str, Any]) -> str:
    scale, zero = detail["quantization"]
    kind = np.dtype(detail["dtype"]).name
    return f"{kind}, ({kind} - {zero}) * {scale:.6g}" if _is_scaled(detail) else kind


def _as_stored(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    if not _is_scaled(detail):
        return values
    scale, zero = detail["quantization"]
    return np.clip(np.round(values / scale) + zero, INT8.min, INT8.max).astype("int8")


def _as_floats(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    if not _is_scaled(detail):
        return values
    scale, zero = detail["quantization"]
    return ((values.astype("float32") - zero) * scale).astype("float32")
