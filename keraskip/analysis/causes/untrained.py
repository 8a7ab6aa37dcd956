"""Layers that do not train, in front of those that do: they may hand on nothing."""

import numpy as np

from keraskip.analysis.causes.level import sizes_at_start
from keraskip.analysis.evidence import Evidence

# Features this much smaller than 1 leave a kernel no gradient beside that of its bias.
FAINT = 1e-4


def empty_input(evidence: Evidence) -> str:
    """The first layer that trains, if those before it, which do not, answer 0 to everything.

    Its kernel never gets a gradient then, and either its bias does, or all that is behind it is
    silent as well, though no weight of it is unusual: units with a bias of 0 answer 0 to zeros.
    """
    run, rows = evidence.run, evidence.sound
    depth = run.weights["depth"].to_numpy()
    hidden = np.flatnonzero(depth < depth.max(initial=0))
    if not (run.info.get("untrained") and len(rows) and len(hidden)):
        return ""
    is_first, is_kernel = depth == depth.min(), np.isin(np.arange(len(depth)), evidence.kernels)
    silent = evidence.silent[rows]
    if not (is_first & is_kernel).any() or not silent[:, is_first & is_kernel].all():
        return ""
    biases = run.weight_norm[:1][:, [column for column in hidden if not is_kernel[column]]]
    is_usual = not biases.any() and bool((sizes_at_start(evidence).abs() < 1).all())
    has_bias = not silent[:, is_first & ~is_kernel].all()
    if has_bias or (is_usual and silent[:, hidden].all()):
        return evidence.layer_of(np.flatnonzero(is_first)[0])
    return ""


def faint_input(evidence: Evidence) -> str:
    """The first layer that trains, if those before it, which do not, answer next to 0.

    The gradient of a kernel is a sum of features times errors, and that of its bias the sum of the
    errors: one is much smaller than the other where all features are.
    """
    run, rows = evidence.run, evidence.sound
    weights = run.weights
    first = weights[weights["depth"] == weights["depth"].min()]
    columns = [first.index[first["role"] == role] for role in ("kernel", "bias")]
    if [len(each) for each in columns] != [1, 1] or not (in_front(evidence) and len(rows)):
        return ""
    kernel, bias = (run.grad_norm[rows][:, each[0]].astype(float) for each in columns)
    is_faint = (kernel > 0) & (kernel < FAINT * bias)
    return str(first["layer"].iloc[0]) if is_faint.mean() > 0.5 else ""


def in_front(evidence: Evidence) -> str:
    """The layers that do not train, for the middle of a sentence; empty if none lies in front."""
    run = evidence.run
    names = [row["layer"] for row in run.info.get("untrained") or []]
    if not names or not len(run.weights) or run.weights["depth"].min() < 2:
        return ""
    # Keras lists the last layer first.
    *others, last = names[::-1]
    if len(others) > 2:
        return f"{len(names)} layers from {others[0]} to {last}"
    return f"{', '.join(others)} and {last}" if others else last
