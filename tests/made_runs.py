"""Runs whose numbers are made, not recorded: what is wrong with them is known exactly."""

import numpy as np

from keraskip.callbacks.columns import STATISTICS
from keraskip.runs import RunWriter, load_run

SIZE = 4
STEPS = 60


def layer(name, depth, after=(), *, last=False, positions=1, kernel=(2, 2), bias=(SIZE,)):
    """The two rows of a layer with a kernel and a bias, as the recorder writes them."""
    facts = {"layer": name, "depth": depth, "after": list(after), "last": last}
    return [
        {
            "path": f"{name}/{role}",
            "role": role,
            "shape": list(shape),
            "size": int(np.prod(shape)),
            "positions": positions,
            **facts,
        }
        for role, shape in (("kernel", kernel), ("bias", bias))
    ]


def chain(hidden, **options):
    """The layers of a network that is one line: `h1` to `h<hidden>`, then `out`."""
    names = [*(f"h{number}" for number in range(1, hidden + 1)), "out"]
    return [
        layer(name, index + 1, names[index - 1 : index], last=name == "out", **options)
        for index, name in enumerate(names)
    ]


def made_run(folder, layers, bias_rms, kernel_rms=1e-3, *, scalars=None, info=None, **statistics):
    """A run of these layers.

    Args:
        folder: where to write it.
        layers: rows from `layer`.
        bias_rms: RMS gradient of the biases [layers] or [steps, layers]; NaN where there is none.
        kernel_rms: the same of the kernels.
        scalars: numbers of the steps by name.
        info: facts for `run.json`.
        statistics: other statistics of all weights [steps, weights], or one number.
    """
    weights = [row for rows in layers for row in rows]
    shape = (STEPS, len(layers))
    rms = np.empty((STEPS, 2 * len(layers)))
    rms[:, 0::2], rms[:, 1::2] = (
        np.broadcast_to(kernel_rms, shape),
        np.broadcast_to(bias_rms, shape),
    )
    known = {"grad_norm": rms * np.sqrt([row["size"] for row in weights]), "frozen": 0.0}
    known |= {"grad_max": rms, "grad_nonfinite": np.where(np.isnan(rms), np.nan, 0.0)}
    known |= {"weight_norm": 1.0, "update_norm": np.where(np.isnan(rms), np.nan, 1e-3)}
    known |= statistics
    values = np.stack([np.broadcast_to(known[name], rms.shape) for name in STATISTICS], axis=-1)
    scalars = scalars or {}
    writer = RunWriter(folder, info or {}, weights, STATISTICS, list(scalars))
    rows = [np.broadcast_to(row, STEPS) for row in scalars.values()]
    writer.append(np.arange(STEPS), values, np.stack(rows, axis=1) if rows else None)
    return load_run(folder)
