"""Causes for which updates change nothing, though a gradient is there."""

import numpy as np

from keraskip.analysis.causes.rates import UPDATES, optimizer_line, rate_for
from keraskip.analysis.evidence import USUAL_RATIO, Evidence
from keraskip.analysis.finding import Finding

# Below this share of the gradient that is left, clipping rules the size of the updates.
LITTLE_LEFT = 1e-3
TOO_SLOW = 1e-4


def rate_zero(evidence: Evidence) -> Finding | None:
    """A learning rate of 0, in a network that is frozen."""
    known = evidence.scalar("learning_rate")[evidence.late]
    rate = float(np.nanmedian(known)) if np.isfinite(known).any() else evidence.rate
    if not (evidence.fails and rate == 0):
        return None
    right = rate_for(evidence, np.nan)
    return Finding(
        "learning rate 0",
        "Frozen: updates change nothing, the learning rate is 0.",
        f"`{optimizer_line(evidence, learning_rate=right)}`",
        UPDATES,
        steps=evidence.span,
        evidence={"learning_rate": 0.0},
    )


def clipping(evidence: Evidence) -> Finding | None:
    """Clipping that leaves next to nothing of the gradient, in a network that fails."""
    left = evidence.scalar("clip_factor")[evidence.sound]
    left = left[np.isfinite(left)]
    share = float(np.median(left)) if len(left) else 1.0
    if not (evidence.fails and share < LITTLE_LEFT):
        return None
    squares = np.square(evidence.run.grad_norm[evidence.early].astype(float))
    norm = float(np.median(np.sqrt(np.nansum(squares, axis=1))))
    settings = {"global_clipnorm": float(f"{norm:.1g}")}
    if np.isfinite(evidence.rate):
        settings = {"learning_rate": evidence.rate, **settings}
    return Finding(
        "clipping",
        f"Frozen: clipping keeps {share:.1g} of the gradient, the signal is fine."
        if evidence.learning.state == "frozen"
        else f"Clipping keeps {share:.1g} of the gradient.",
        f"clip only what is larger than usual: `{optimizer_line(evidence, **settings)}`",
        "Pascanu et al. 2013, section 3.2: a threshold of about the gradient's average norm",
        steps=evidence.span,
        evidence={"clip_factor": share, "gradient_norm": norm},
    )


def updates_too_small(evidence: Evidence) -> Finding | None:
    """Updates that float arithmetic swallows, in a network that is frozen."""
    if evidence.learning.state != "frozen":
        return None
    ratio = evidence.ratio(evidence.sound)
    right = rate_for(evidence, ratio)
    with_rate = "" if np.isnan(evidence.rate) else f", with a learning rate of {evidence.rate:g}"
    return Finding(
        "updates too small",
        f"Frozen: updates change nothing, they are {ratio:.1g} of the weights{with_rate}; about "
        f"{USUAL_RATIO:g} is usual.",
        f"`{optimizer_line(evidence, learning_rate=right)}`",
        UPDATES,
        steps=evidence.span,
        evidence={"update_ratio": ratio, "learning_rate": evidence.rate, "right_rate": right},
    )


def too_slow(evidence: Evidence) -> Finding | None:
    """Updates far below the usual size in every kernel, in a network that does not learn."""
    ratio = evidence.ratio(evidence.sound)
    if not (evidence.learning.state == "not learning" and ratio < TOO_SLOW):
        return None
    right = rate_for(evidence, ratio)
    if not np.isnan(evidence.rate) and right <= 2 * evidence.rate:
        return None
    return Finding(
        "too slow",
        f"Updates are {ratio:.1g} of the weights; about {USUAL_RATIO:g} is usual.",
        f"`{optimizer_line(evidence, learning_rate=right)}`",
        UPDATES,
        steps=evidence.span,
        evidence={"update_ratio": ratio, "learning_rate": evidence.rate, "right_rate": right},
    )
