"""Weights that decay: by the optimizer, or by a penalty that outweighs the loss."""

from typing import NamedTuple

import numpy as np

from keraskip.analysis.causes.rates import optimizer_line
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.numbers import plain

# Weights that fell to a tenth.
SHRUNK = 0.1
# Decays of AdamW reach 0.3 (Loshchilov & Hutter 2019 and recipes since).
HIGHEST_DECAY = 0.5
# Weights forget within a hundred steps what they learned.
PART_OF_A_STEP = 0.01
# Of the loss, a penalty is this share, and follows the weights this well.
MOST, FOLLOWS = 0.9, 0.95
SOURCE = "He et al. 2015, section 3.4: a weight decay of 1e-4"
WEAKER = "a weaker penalty on the weights: `kernel_regularizer=keras.regularizers.L2(1e-5)`"


class _Decay(NamedTuple):
    """What is said about weights that decay, since when, and the numbers behind it."""

    sentence: str
    since: int
    evidence: dict[str, float]


def weight_decay(evidence: Evidence) -> Finding | None:
    """Weights that shrink away, or that each step takes too much of.

    Half of the kernels, or more, shrank to 10% or less of their first norm, in a network that
    fails.

    Or the squares of all kernels fell to less than half, the loss follows them (r² above 0.95), and
    a penalty of that slope is more than 90% of the loss at the end. The network fails; or it may
    fail, and the late gradient of most kernels is the gradient of the penalty alone, to within 10%.

    Or the rate times the decay of the optimizer is above 1%, and the decay above 0.5, in a network
    that fails: weights then forget within a hundred steps what they learned. Usual decays go from
    1e-4 (He et al. 2015) to 0.3 (Loshchilov & Hutter 2019, AdamW, and recipes since).

    The other limits were chosen on the battery.
    """
    if not evidence.may_fail or len(evidence.sound) < 2 or not len(evidence.kernels):
        return None
    found = _penalised(evidence)
    if evidence.fails:
        found = _shrunk(evidence) or found or _eaten(evidence)
    if not found:
        return None
    decay = evidence.optimizer.get("weight_decay")
    settings = {} if np.isnan(evidence.rate) else {"learning_rate": evidence.rate}
    line = f"`{optimizer_line(evidence, **settings, weight_decay=1e-4)}`"
    remedy = line if decay and _is_of_optimizer(evidence, found) else WEAKER
    return Finding(
        "weight decay",
        found.sentence,
        remedy,
        SOURCE,
        steps=(found.since, int(evidence.run.steps[-1])),
        evidence={**found.evidence, "weight_decay": float(decay or np.nan)},
    )


def _is_of_optimizer(evidence: Evidence, found: _Decay) -> bool:
    """Whether the decay of the optimizer took the weights away, and not a penalty beside it.

    AdamW has a decay of 0.004 unless told otherwise, too little to shrink a weight in a short run.
    """
    if "penalty" in found.evidence:
        return False
    if not (evidence.run.info.get("training") or {}).get("penalised"):
        return True
    decay = float(evidence.optimizer.get("weight_decay") or 0.0)
    taken = evidence.rate * decay * float(evidence.run.steps[-1] + 1)
    return bool(taken > np.log(found.evidence.get("factor", 1.0)) / 2)


def _shrunk(evidence: Evidence) -> _Decay | None:
    run, sound = evidence.run, evidence.sound
    norms = run.weight_norm[sound][:, evidence.kernels].astype(float)
    norms = norms[:, np.isfinite(norms).all(axis=0) & (norms[0] > 0)]
    # The median kernel: that of the output may be left out of a penalty.
    share = np.median(norms / norms[0], axis=1) if norms.size else np.ones(1)
    if share[-1] > SHRUNK:
        return None
    factor = 1 / max(float(share[-1]), 1e-300)
    since = int(run.steps[sound[np.flatnonzero(share <= SHRUNK)[0]]])
    much = f"{factor:,.0f}-fold" if factor < 1e6 else "to less than a millionth"
    return _Decay(
        f"The weights shrank {much}, and the signal with them.", since, {"factor": factor}
    )


def _penalised(evidence: Evidence) -> _Decay | None:
    """A penalty is a factor times the sum of all squares: the loss follows it while it shrinks.

    A penalty may lift the loss of a network that learns, too. There the gradient of the answers
    comes to balance that of the penalty, twice the factor times the weight.
    """
    run = evidence.run
    # Without one, a loss of squares looks alike where the weights begin far too large.
    if (run.info.get("training") or {}).get("penalised") is False:
        return None
    loss = evidence.scalar("loss")[evidence.sound]
    norms = run.weight_norm[evidence.sound][:, evidence.kernels].astype(float)
    squares = np.square(norms).sum(axis=1)
    known = np.isfinite(loss) & np.isfinite(squares)
    loss, squares = loss[known], squares[known]
    shrinks = len(loss) > 1 and 0 < squares[-1] < squares[0] / 2
    if not (shrinks and loss[-1] > 0 and np.ptp(loss) > 0):
        return None
    factor = float(np.cov(loss, squares)[0, 1] / squares.var(ddof=1))
    share = factor * float(squares[-1] / loss[-1])
    follows = float(np.corrcoef(loss, squares)[0, 1]) ** 2
    if not (share > MOST and follows > FOLLOWS):
        return None
    if not (evidence.fails or _rules_the_gradient(evidence, factor)):
        return None
    return _Decay(
        f"A penalty of {plain(factor, 2)} times the squares of the weights is {min(share, 1):.0%} "
        "of the loss, so the weights get smaller and the answers no better.",
        int(run.steps[0]),
        {"share_of_the_loss": share, "penalty": factor},
    )


def _rules_the_gradient(evidence: Evidence, factor: float) -> bool:
    """Whether the late gradient of most kernels is that of the penalty, and of nothing else."""
    run, late = evidence.run, evidence.late
    gradient = run.grad_norm[late][:, evidence.kernels].astype(float)
    alone = 2 * factor * run.weight_norm[late][:, evidence.kernels].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = gradient / alone
    known = ratios[np.isfinite(ratios)]
    return bool(known.size) and abs(float(np.median(known)) - 1) < 1 - MOST


def _eaten(evidence: Evidence) -> _Decay | None:
    """A step of Keras takes the rate times `weight_decay` of the weights away.

    So half of what a step teaches is gone after 0.7 / (rate * decay) steps. Where the decay is a
    usual one, it is the rate that is too high.
    """
    decay = float(evidence.optimizer.get("weight_decay") or 0.0)
    part = evidence.rate * decay
    if not (part > PART_OF_A_STEP and decay > HIGHEST_DECAY):
        return None
    return _Decay(
        f"The decay takes {min(part, 1):.0%} of the weights away in each step.",
        int(evidence.run.steps[0]),
        {"part_of_a_step": part},
    )
