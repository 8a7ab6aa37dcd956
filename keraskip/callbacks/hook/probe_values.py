"""The values of each probe, from what a pass saw and from gradients."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from keraskip.callbacks.hook.probe_passes import Seen
from keraskip.callbacks.hook.probe_sites import Site

Rows = list[dict[str, Any]]


def signal(sites: Sequence[Site], gradients: Mapping[int, Mapping[int, np.ndarray]]) -> Rows:
    """The norm of the gradient with respect to the outputs of a call.

    Args:
        sites: the calls.
        gradients: of the outputs of a call, by the number of the call.
    """
    rows = []
    for number, parts in gradients.items():
        squares = [(part**2).sum() for part in parts.values()]
        rows.append(_row("signal", sites[number], np.sqrt(sum(squares))))
    return rows


def branches(sites: Sequence[Site], seen: Sequence[Seen]) -> Rows:
    """The variance of each branch over the variance of the shortcut to which it is added."""
    rows = []
    for site, (inputs, _, _) in zip(sites, seen, strict=True):
        if not site.is_addition:
            continue
        values = [ops.convert_to_numpy(value) for value in inputs]
        shortcut, branch = sorted((0, 1), key=lambda index: site.inputs[index])
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.var(values[branch], dtype=float) / np.var(values[shortcut], dtype=float)
        rows.append(_row("branch_share", site, share))
    return rows


def dead(sites: Sequence[Site], seen: Sequence[Seen]) -> Rows:
    """The share of the channels of each ReLU that are 0 for all samples and positions."""
    rows = []
    for site, (_, outputs, _) in zip(sites, seen, strict=True):
        if site.is_relu:
            values = ops.convert_to_numpy(outputs[0])
            silent = (values == 0).all(axis=tuple(range(values.ndim - 1)))
            rows.append(_row("dead", site, silent.mean()))
    return rows


def over_time(
    sites: Sequence[Site], seen: Sequence[Seen], gradients: Mapping[int, np.ndarray]
) -> Rows:
    """The norms of the gradient with respect to the input of each recurrent layer, step by step.

    Args:
        sites: the calls.
        seen: what they saw.
        gradients: of the sequence that went into a call, by the number of the call.
    """
    rows = []
    for number, gradient in gradients.items():
        norms = np.sqrt((gradient**2).sum(axis=(0, *range(2, gradient.ndim))))
        if seen[number].mask is not None:
            mask = ops.convert_to_numpy(seen[number].mask).astype(bool)
            norms[~mask.reshape(*mask.shape[:2], -1).any(axis=(0, 2))] = np.nan
        rows.append(_row("time", sites[number], norms))
    return rows


def shattering(
    entrances: Mapping[int, Site], here: Mapping[int, np.ndarray], there: Mapping[int, np.ndarray]
) -> Rows:
    """The correlation of the gradients with respect to samples and to samples nearby.

    Args:
        entrances: the calls that stand for inputs of the model, by the input's index.
        here: gradients with respect to these inputs.
        there: those nearby.
    """
    return [
        _row("shattering", entrances[index], _correlation(here[index], there[index]))
        for index in here
    ]


def _row(probe: str, site: Site, value: Any) -> dict[str, Any]:
    return {
        "probe": probe,
        "layer": site.name,
        "depth": site.depth,
        "value": np.asarray(value, dtype=float).tolist(),
    }


def _correlation(here: np.ndarray, there: np.ndarray) -> float:
    """The mean over samples of the correlation of two gradients."""
    rows = [
        each.reshape(len(each), -1) - each.reshape(len(each), -1).mean(axis=1, keepdims=True)
        for each in (here, there)
    ]
    lengths = [np.linalg.norm(each, axis=1) for each in rows]
    products = (rows[0] * rows[1]).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return float(np.mean(products / (lengths[0] * lengths[1])))
