"""Reads a safetensors file: a header in JSON, then the bytes of all tensors. No code is run.

The format: https://github.com/huggingface/safetensors, "Format".
"""

import json
import os
import reprlib
from collections import Counter
from math import prod
from operator import index
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

# The first bytes say how long the header is. The format allows no longer one.
LENGTH_BYTES = 8
LONGEST_HEADER = 100_000_000
TYPES: dict[str, Any] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": ml_dtypes.bfloat16,
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip

# A file may hold names and shapes of any length; in a message they stay short.
_SHORT = reprlib.Repr()
_SHORT.maxstring = 100


def brief(value: Any) -> str:
    """What stands in a file, short and on one line."""
    return _SHORT.repr(value)


def read_safetensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file by name.

    The arrays are views of the file, which is read where they are.

    Raises:
        ValueError: unless the file is a whole safetensors file of known types.
    """
    size = Path(path).stat().st_size
    content = np.memmap(path, "u1", "r") if size else np.zeros(0, "u1")
    start, header = _header(content, path)
    entries = {name: _entry(entry, name, path) for name, entry in header.items()}
    end = start + max((stop for _, _, (_, stop) in entries.values()), default=0)
    if size != end:
        raise ValueError(
            f"{os.fspath(path)} is cut or longer than it should be: its header tells of {end:,} "
            f"bytes. Received: {size:,} bytes"
        )
    _check_order(entries, path)
    return {
        name: content[start + first : start + stop].view(dtype).reshape(shape)
        for name, (dtype, shape, (first, stop)) in entries.items()
    }


def _header(content: np.ndarray, path: str | os.PathLike) -> tuple[int, dict[str, Any]]:
    """Where the bytes of the tensors begin, and the entry of each tensor."""
    length = int.from_bytes(content[:LENGTH_BYTES].tobytes(), "little")
    start = LENGTH_BYTES + length
    try:
        if not length <= min(LONGEST_HEADER, len(content) - LENGTH_BYTES):
            raise ValueError(f"a header of {length} bytes in {len(content)}")
        text = content[LENGTH_BYTES:start].tobytes()
        header = json.loads(text, object_pairs_hook=_without_repeats)
        if not isinstance(header, dict):
            raise TypeError(f"it is {brief(header)}")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"weights must be a whole safetensors file. Received: {os.fspath(path)}, whose header "
            f"cannot be read ({error})"
        ) from None
    header.pop("__metadata__", None)
    return start, header


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two entries with one name, `dict` would keep the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"it has {brief(name)} twice")
    return found


def _entry(entry: Any, name: str, path: str | os.PathLike) -> tuple[np.dtype, tuple, tuple]:
    """Type and shape of a tensor, and where its bytes begin and end."""
    try:
        # `index` refuses numbers with a fraction, which `int` would cut.
        dtype, shape = np.dtype(TYPES[entry["dtype"]]), tuple(map(index, entry["shape"]))
        first, stop = map(index, entry["data_offsets"])
        # Makes no array, and refuses what no array may have.
        np.broadcast_to(np.zeros((), dtype), shape)
        if stop - first != prod(shape) * dtype.itemsize:
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(
            f"Each tensor needs a type of {tuple(TYPES)} and as many bytes as its shape says. "
            f"Received: {brief(name)} with {brief(entry)} in {os.fspath(path)}"
        ) from None
    return dtype, shape, (first, stop)


def _check_order(entries: dict[str, tuple], path: str | os.PathLike) -> None:
    """ValueError unless each byte belongs to one tensor."""
    position = 0
    for name, (_, _, (first, stop)) in sorted(entries.items(), key=lambda item: item[1][2]):
        if first != position:
            raise ValueError(
                f"Each byte must belong to one tensor. Received: {brief(name)} from byte {first:,} "
                f"on, the one before ends at {position:,}, in {os.fspath(path)}"
            )
        position = stop
