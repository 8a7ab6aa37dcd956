"""Kills exports that overwrite with SIGKILL at random moments, and opens what is there.

    python tests/benchmarks/killed_exports.py [--kills 20] [--seed 0] [--formats savedmodel ...]

The network has a dict of numbers, tokens and, in a SavedModel, strings. Then two processes export
to one place at once. Fails if the folder is neither the older artefact nor the newer one, whole.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

import keraskip

FACTORS = (1, 2)
AT_ONCE = 10
FORMATS = ("savedmodel", "onnx", "litert")
BATCH = {
    "age": np.ones((3, 4), "float32"),
    "tokens": np.ones((3, 5), "int32"),
    "title": np.full((3, 1), "a", object),
}


def network(factor, format):
    """Its output tells which of the networks it is."""
    age, tokens = keras.Input((4,), name="age"), keras.Input((None,), dtype="int32", name="tokens")
    inputs = {"age": age, "tokens": tokens}
    ones = layers.Embedding(9, 4, embeddings_initializer="ones")
    parts = [age, layers.GlobalAveragePooling1D()(ones(tokens))]
    if format == "savedmodel":
        inputs["title"] = keras.Input((1,), dtype="string", name="title")
        words = layers.StringLookup(vocabulary=["a"], output_mode="one_hot")(inputs["title"])
        parts.append(words)
    # Large, so that it is often killed while it writes.
    wide = layers.Dense(50_000, kernel_initializer="zeros", bias_initializer="ones")
    outputs = {"factor": layers.Rescaling(factor)(wide(layers.concatenate(parts))[:, :1])}
    return keras.Model(inputs, outputs)


def export_on(path, format, times):
    """Exports one network and another in turn, and tells of each."""
    models = [network(factor, format) for factor in FACTORS]
    for model in islice(cycle(models), times):
        getattr(keraskip, f"export_{format}")(model, path, overwrite=True)
        print("exported", flush=True)


def child(path, format, times=None):
    arguments = [sys.executable, __file__, "--child", path, "--formats", format]
    if times:
        arguments += ["--times", str(times)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def is_whole(path):
    """Whether it can be opened, and gives what one of the networks gives."""
    try:
        artefact = keraskip.Artefact(path)
        found = artefact({each.name: BATCH[each.name] for each in artefact.inputs})["factor"]
    except (ValueError, OSError) as error:
        print(error)
        return False
    return any(np.array_equal(found, np.full((3, 1), factor)) for factor in FACTORS)


def kills(path, format, count, moments):
    """How many folders were broken, and how many exports were killed while they wrote."""
    broken = writing = 0
    for _ in range(count):
        process = child(path, format)
        process.stdout.readline()
        time.sleep(moments.uniform(0, 3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        broken += not is_whole(path)
        writing += len(list(path.parent.glob(".*draft*"))) > 0
    return broken, writing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return export_on(arguments.child, arguments.formats[0], arguments.times)
    moments, failed = random.Random(arguments.seed), False
    for format in arguments.formats:
        folder = Path(tempfile.mkdtemp())
        path = folder / "out"
        broken, writing = kills(path, format, arguments.kills, moments)
        print(f"{format}: {arguments.kills} kills, {writing} while a draft was there, "
              f"{broken} broken", flush=True)  # fmt: skip
        pair = [child(path, format, AT_ONCE) for _ in range(2)]
        codes = [process.communicate() and process.returncode for process in pair]
        left = [file.name for file in folder.iterdir()]
        whole = is_whole(path)
        print(f"{format}: two processes, {AT_ONCE} exports each: exit codes {codes}, "
              f"whole: {whole}, in the folder: {left}", flush=True)  # fmt: skip
        failed |= bool(broken) or any(codes) or not whole or left != ["out"]
        shutil.rmtree(folder)
    return failed


if __name__ == "__main__":
    sys.exit(main())
