"""Safetensors files are read as the format says, and bad ones are refused in one sentence."""

import json

import ml_dtypes
import numpy as np
import pytest
from torch_files import write_safetensors

from keraskip.models.safetensors import read_safetensors

RANDOM = np.random.default_rng(0)
TENSORS = {
    "a": RANDOM.normal(size=(2, 3)).astype("float32"),
    "b.weight": RANDOM.normal(size=4).astype("float16"),
    "c": RANDOM.normal(size=(2, 1)).astype(ml_dtypes.bfloat16),
    "count": np.asarray(5),
    "empty": np.zeros((0, 3), "float64"),
}


def test_tensors_come_back(tmp_path):
    found = read_safetensors(write_safetensors(tmp_path / "some.safetensors", TENSORS))
    assert list(found) == list(TENSORS)
    for name, expected in TENSORS.items():
        assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found[name], expected)


def test_a_file_without_tensors(tmp_path):
    assert read_safetensors(write_safetensors(tmp_path / "none.safetensors", {})) == {}


def with_header(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def entry(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "whole safetensors file.*a header of 0 bytes in 0"),
        (b"PK\x03\x04 a pickle of PyTorch", "header cannot be read"),
        (with_header(b"no json"), "header cannot be read"),
        (with_header([["a", entry([1], [0, 4])]], bytes(4)), r"cannot be read \(it is \[\['a'"),
        (
            with_header(b'{"a": {}, "b": {"shape": null, "shape": null}}'),
            r"cannot be read \(it has 'shape' twice",
        ),
        (with_header({"a": entry([2], [0, 8])}, bytes(6)), "is cut.* 77 bytes. Received: 75"),
        (with_header({"a": entry([2], [0, 8])}, bytes(9)), "cut or longer"),
        (with_header({"a": entry([2], [0, 4])}, bytes(4)), "as many bytes as its shape says"),
        (with_header({"a": entry([1], [0, 4], "F8")}, bytes(4)), "needs a type of"),
        (with_header({"a": entry([-1], [4, 0])}, bytes(4)), "as its shape says"),
        (with_header({"a": entry([1.5], [0, 4])}, bytes(4)), "as its shape says"),
        (with_header({"a": entry([1], [0, 4.5])}, bytes(4)), "as its shape says"),
        (with_header({"a": entry([float("inf")], [0, 4])}, bytes(4)), "as its shape says"),
        (with_header({"a": entry([1], [0, float("inf")])}, bytes(4)), "as its shape says"),
        (with_header({"a": entry([0, 2**70], [0, 0])}), "as its shape says"),
        (with_header({"a": entry([1] * 99, [0, 4])}, bytes(4)), "as its shape says"),
        (with_header({"a": "b"}), "as its shape says"),
        (
            with_header({"a" * 999: entry([1] * 9999, [0, 4])}, bytes(4)),
            "'a{40,60}.*a' with .{,99} in",
        ),
        (
            with_header({"a": entry([1], [0, 4]), "b": entry([1], [2, 6])}, bytes(6)),
            "belong to one tensor. Received: 'b' from byte 2 on, the one before ends at 4",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_other_files_are_refused(tmp_path, content, message):
    file = tmp_path / "bad.safetensors"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refusal:
        read_safetensors(file)
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)
