"""Safetensors files, written by numpy alone, and random tensors for networks of PyTorch."""

import json
import zlib

import numpy as np

TYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}


def write_safetensors(path, tensors):
    """Writes arrays as the format says: length of the header, header, bytes."""
    header, position = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        end = position + tensor.nbytes
        header[name] = {
            "dtype": TYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.tobytes())
    return path


def random_tensor(name, shape):
    """Values for a weight of PyTorch, the same for the same name, none of them a default.

    Kernels keep the size of what comes in, so that deep networks neither explode nor fade.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.asarray(7)
    if len(shape) > 1:
        return (random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype("float32")
    if name.endswith("running_var") or (name.endswith("weight")):
        return random.uniform(0.5, 1.5, shape).astype("float32")
    return random.normal(0, 0.3, shape).astype("float32")
