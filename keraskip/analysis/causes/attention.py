"""Attention that is the same for all positions."""

from collections.abc import Iterator

import numpy as np

from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding

# Queries and keys usually get about as much as values; below this share they do not learn.
COLLAPSED = 1e-6


def attention_collapse(evidence: Evidence) -> Finding | None:
    """Queries and keys that get next to nothing of what values get, in a network that fails.

    In one attention or more, the mean of the late gradients of query and key kernels is below 1e-6
    of that of the value kernel. Usually they get about as much; 1e-6 is a convention, far below
    that. Rows grow alike from one attention to the next, so the last ones starve first.

    It is said as well where many steps leave it open whether the network learns. Gradients of
    exactly 0 throughout do not count: with a single key the softmax is 1, whatever the queries.
    """
    if not (evidence.fails_or_leaves_it_open and len(evidence.late)):
        return None
    shares = {name: share for name, share in _asked_by_values(evidence) if share < COLLAPSED}
    if not shares:
        return None
    name = min(shares, key=lambda each: shares[each])
    return Finding(
        "attention collapse",
        f"Queries and keys of {name} get {shares[name]:.1g} of what its values get: attention is "
        "the same for all positions.",
        "normalise before attention, and keep a skip around it: "
        "`x = x + attention(h, h)` with `h = keras.layers.LayerNormalization()(x)`",
        "Dong et al. 2021; Noci et al. 2022, section 3: rank collapse starves queries and keys",
        layers=tuple(shares),
        steps=evidence.span,
        evidence={"share": shares[name]},
    )


def _asked_by_values(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Each attention, with the late gradient of its queries and keys over that of its values."""
    paths = evidence.run.weights["path"].str
    sizes = np.nan_to_num(evidence.run.grad_norm[evidence.late]).mean(axis=0)
    is_zero = evidence.silent[evidence.sound].all(axis=0)
    # Layers of one's own may have nothing in front, or a prefix as in `block0_query`.
    for before, parts in paths.extract(r"^(.*?)(query|key|value)/kernel$").groupby(0):
        is_value = parts[1] == "value"
        asks, values = (np.array(parts.index[mask]) for mask in (~is_value, is_value))
        asks = asks[~is_zero[asks]]
        if len(asks) and len(values) and sizes[values].max() > 0:
            name = str(before).rstrip("/_") or "the attention"
            yield name, float(sizes[asks].mean() / sizes[values].mean())
