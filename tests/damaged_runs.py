"""Damaged versions of a small run, and what may become of each: refused in a line, or right."""

import copy
import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from keraskip.callbacks.columns import SCALARS, STATISTICS
from keraskip.runs import INFO_FILE, STEPS_FILE, RunWriter, load_run

# A value of each type, and the ends of the ranges; `"inf"` is a number of `run.json`.
VALUES = (None, True, 0, -1, 1, 2**63, 10**400, 0.5, -1e308, 1e308, "", "x", "inf", "a\x1bb",
          "\ud800", [], [[]], [None], [1], ["x"], {}, {"x": None}, {"": []})  # fmt: skip
LAYERS = 5


def small_run(folder):
    """Writes a run that has every entry of `run.json`: a deep network that does not learn."""
    names = [f"dense_{number}" for number in range(LAYERS)]
    weights = [
        _weight(names, depth, role) for depth in range(LAYERS) for role in ("kernel", "bias")
    ]
    writer = RunWriter(folder, _facts(names), weights, STATISTICS, SCALARS)
    random = np.random.default_rng(0)
    for epoch in range(3):
        steps = np.arange(epoch * 8, epoch * 8 + 8)
        heights = np.repeat(10.0 ** -np.arange(LAYERS)[::-1], 2)[None, :, None]
        values = random.uniform(0.5, 1, (8, len(weights), len(STATISTICS))) * heights
        values[:, :, [STATISTICS.index("grad_nonfinite"), STATISTICS.index("frozen")]] = 0
        scalars = np.ones((8, len(SCALARS)))
        scalars[:, [SCALARS.index("optimizer"), SCALARS.index("input_nonfinite")]] = 0
        writer.append(steps, values, scalars)
        row = {"epoch": epoch, "steps": 8 * epoch + 8, "next_step": 8 * epoch + 8}
        writer.add_epoch({**row, "weights_norm": 1.5, "loss": 2.3, "accuracy": 0.1})
        rows = [{"probe": "signal", "layer": name, "depth": 1, "value": 0.5} for name in names]
        rows += [{"probe": "time", "layer": names[0], "depth": 1, "value": [1e-9, 1.0]}]
        writer.add_probes(epoch, rows)
    writer.note("test", {"epoch": 3, "images": 8, "loss": 2.3, "accuracy": 0.1})
    writer.note("nonfinite", {"step": 3, "path": "dense/kernel", "weights": 1, "message": "NaN"})
    writer.mark("finished")


def _weight(names, depth, role):
    shape = [8, 8] if role == "kernel" else [8]
    after = names[depth - 1 : depth] if depth else []
    return {"path": f"{names[depth]}/{role}", "layer": names[depth], "role": role,
            "depth": depth + 1, "shape": shape, "size": int(np.prod(shape)), "positions": 1,
            "after": after, "last": depth == LAYERS - 1}  # fmt: skip


def _facts(names):
    labels = [{"output": 0, "weighted": False, "count": 96, "shares": [0.5, 0.5]}]
    optimizer = {"class": "SGD", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": None,
                 "gradient_accumulation_steps": None}  # fmt: skip
    training = {"loss": "sparse_categorical_crossentropy", "from_logits": False,
                "optimizer": optimizer, "loss_weights": None, "penalised": False,
                "dtype_policy": "float32", "metrics": ["loss", "accuracy"]}  # fmt: skip
    return {
        "started": "2026-11-26T23:33:46+00:00", "command": ["train.py"], "backend": "tensorflow",
        "versions": {"keras": "3.15.1"}, "git": {"commit": "98b7dce7", "dirty": False},
        "device": {"platform": "x", "processor": "x", "cpus": 2, "runs_on": "CPU"},
        "model": "net", "gradient": "raw", "depth_from": "graph", "depth": LAYERS, "unrecorded": 0,
        "training": training, "classes": 2, "alike": [names[1]], "recurrent": [],
        "outputs": [{"layer": names[-1], "units": 2, "activation": "softmax"}],
        "untrained": [{"layer": names[0], "weights": 1, "reason": "frozen"}],
        "dropout": {names[1]: 0.95}, "dropout_kinds": {names[1]: "Dropout"},
        "calls": names, "kinds": ["Dense"] * LAYERS, "activations": ["relu"] * LAYERS,
        "skips": {"possible": 2, "around": 4, "hidden": 4}, "optimizers": ["optimizer"],
        "optimizer_settings": [optimizer], "labels": labels,
        "labels_after": [{"epoch": 2, "steps": 24, "labels": labels}],
        "trial": {"name": "net", "arguments": {"depth": 5}}, "seed": 1, "train_images": 96,
        "network": {"family": "plain", "depth": 5}, "budget": {"epochs": 3, "steps": 24},
        "normalization": {"mean": [0.5], "deviation": [0.2], "white": 255.0},
    }  # fmt: skip


def changed_facts(folder):
    """Each entry of `run.json` at each depth: deleted, or another value; then whole-file damage.

    The files have no checksum, as if somebody had written them so.

    Yields:
        What was done, and the bytes of `run.json`.
    """
    info = json.loads((Path(folder) / INFO_FILE).read_text("utf-8"))
    del info["checksum"]
    for place in _places(info):
        for value in ("deleted", *VALUES):
            known = copy.deepcopy(info)
            within = known
            for key in place[:-1]:
                within = within[key]
            if value == "deleted":
                del within[place[-1]]
            else:
                within[place[-1]] = value
            yield f"{place} {value!r:.20}", json.dumps(known).encode()
    whole = json.dumps(info)
    for number in ("NaN", "Infinity", "1e999", "9" * 5000):
        yield f"a number {number:.9}", whole.replace("0.95", number).encode()
    nested = "[" * 100_000, '{"x":' * 900 + "1" + "}" * 900, "[" * 400 + "]" * 400
    yield "lists without end", nested[0].encode()
    for each in nested:
        yield f"nested {len(each)}", (whole[:-1] + f', "trial": {{"a": {each}}}}}').encode()
    for data in (
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff" * 9,
        b"\xef\xbb\xbf{}",
        b"\0" * 4096,
        b"PK\3\4",
    ):
        yield f"{data[:4]!r}", data


def _places(value, place=()):
    """The paths to all values inside; of long lists of like rows the first and the last."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    if isinstance(value, list) and len(value) > 2:
        keys = 0, len(value) - 1
    for key in keys:
        yield (*place, key)
        yield from _places(value[key], (*place, key))


def flipped(data, bits):
    """The data with one bit flipped, for each number of a bit."""
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(changed)


def changed_steps(data, count, random):
    """Cuts, bytes, swapped words and doubled stretches of `steps.arrow`."""
    for _ in range(count):
        one, other = sorted(int(place) for place in random.integers(0, len(data) // 8, 2) * 8)
        kind = random.integers(5)
        made = bytearray(data)
        if kind == 0:
            made = made[:one]
        elif kind == 1:
            made[one : one + 8], made[other : other + 8] = (
                data[other : other + 8],
                data[one : one + 8],
            )
        elif kind == 2:
            made[one:other] = random.bytes(other - one)
        elif kind == 3:
            made[other:other] = data[one:other]
        else:
            del made[one:other]
        yield f"{kind} {one} {other}", bytes(made)


def changed_columns(folder):
    """Each column of `steps.arrow` gone, under another name, and of other types.

    Arrow writes the files itself, and so without checksums.

    Yields:
        What was done, the name of the column, and the bytes of `steps.arrow`.
    """
    with pa.OSFile(str(Path(folder) / STEPS_FILE)) as file:
        table = pa.ipc.open_stream(file).read_all()
    numbers = pa.array(np.zeros(len(table), np.float32))
    lists = pa.FixedSizeListArray.from_arrays(
        pa.array(np.zeros(len(table) * 2 * LAYERS, np.float32)), 2 * LAYERS
    )
    for place, name in enumerate(table.column_names):
        yield f"{name} gone", name, _streamed(table.remove_column(place))
        yield f"{name} renamed", name, _streamed(table.rename_columns({name: f"{name}_x"}))
        for column in (numbers, lists, numbers.cast(pa.float64()), numbers.cast(pa.string())):
            if column.type != table.schema.field(place).type:
                changed = table.set_column(place, name, column)
                yield f"{name} is {column.type}", name, _streamed(changed)


def _streamed(table):
    made = io.BytesIO()
    with pa.ipc.new_stream(made, table.schema) as stream:
        stream.write_table(table)
    return made.getvalue()


def is_as_written(run, whole):
    """Whether all rows of a run, if it has any, are rows of the whole run, with their numbers."""
    if not len(run.steps):
        return True
    rows = np.isin(whole.steps, run.steps)
    if rows.sum() != len(run.steps):
        return False
    kinds = (("statistics", whole.statistics), ("scalars", whole.scalars))
    return all(
        np.array_equal(getattr(run, kind).get(name), data[rows], equal_nan=True)
        for kind, known in kinds
        for name, data in known.items()
    )


def outcome(folder, use=lambda run: None):
    """`"read"`, `"partly"`, or `"refused"`; any other error than the documented ones is raised.

    Args:
        folder: of the run.
        use: what is done with the run that was read, such as a report.
    """
    try:
        run = load_run(folder)
    except (ValueError, FileNotFoundError) as error:
        said = str(error)
        assert str(folder) in said, said
        assert "\n" not in said, said
        return "refused"
    use(run)
    return "partly" if run.damaged or run.truncated else "read"


def unusual_files(folder, name):
    """Puts something else than a file in the place of one, again and again.

    Yields:
        What lies there.
    """
    file = Path(folder) / name
    data = file.read_bytes()
    for kind in ("missing", "folder", "pipe", "link to nothing", "device"):
        if kind == "folder":
            file.unlink()
            file.mkdir()
        else:
            file.unlink()
            if kind == "pipe":
                os.mkfifo(file)
            elif kind != "missing":
                file.symlink_to("/dev/zero" if kind == "device" else "nowhere")
        yield kind
        file.rmdir() if kind == "folder" else file.unlink(missing_ok=True)
        file.write_bytes(data)


__all__ = ["STEPS_FILE", "changed_columns", "changed_facts", "changed_steps", "flipped",
           "is_as_written", "outcome", "small_run", "unusual_files"]  # fmt: skip
