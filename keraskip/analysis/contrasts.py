"""What differs between groups: what the skips changed, and whether the deeper network is worse."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, log
from typing import Any

from keraskip.analysis.estimates import Estimate, mean
from keraskip.analysis.groups import Group

# Dense networks come in depths of their own; 19 is compared with 20, and 55 with 56.
SAME_DEPTH = log(1.15)
# What a builder with skips has and one without them has not.
OF_SKIPS = ("family", "variant", "shortcut", "depth", "growth_rate", "bottleneck", "compression")


@dataclass(frozen=True)
class Effect:
    """How another network changes the attenuation of a reference.

    Attributes:
        reference: the plain network, or one that differs in one other setting; in runs that no
            study made, the first one.
        other: the network that is compared with it.
        orders: attenuation of the reference minus that of the other, in orders of magnitude:
            positive where the other one keeps more of the signal.
    """

    reference: Group
    other: Group
    orders: Estimate


@dataclass(frozen=True)
class Degradation:
    """Whether a deeper network of a family trains worse (He et al. 2015, section 4.1).

    Attributes:
        shallow: the shallowest network of the family.
        deep: a deeper one with the same budget.
        gap: training error of the deep one minus that of the shallow one, last epoch, over seeds.
        finding: `"degraded"` or `"not degraded"` where the 95 % interval lies above or below zero,
            else `"inconclusive"`.
    """

    shallow: Group
    deep: Group
    gap: Estimate
    finding: str

    @property
    def cell(self) -> str:
        """Both answers in one: whether the signal is healthy and whether more depth hurts."""
        return f"signal {self.deep.verdict}, {self.finding}"


def effects(groups: Sequence[Group]) -> list[Effect]:
    """What the skips changed: each network beside its plain twin of about the same depth.

    A network without such a twin is compared with the first one that differs in one setting other
    than depth, and groups that no study made with the first group.
    """
    pairs = [(_reference(group, groups), group) for group in groups]
    return [
        Effect(reference, other, reference.attenuation - other.attenuation)
        for reference, other in pairs
        if reference and reference.attenuation and other.attenuation
        # A kernel's gradient is another thing than the backward signal.
        if reference.verdicts[0].signal == other.verdicts[0].signal
    ]


def _reference(group: Group, groups: Sequence[Group]) -> Group | None:
    before = groups[: groups.index(group)]
    if not any(one.settings for one in groups):
        return groups[0] if before else None
    if group.settings.get("family") == "plain":
        return _first_sibling(group, before)
    plain = [other for other in groups if other.settings.get("family") == "plain"]
    return _twin(group, plain) or _first_sibling(group, before)


def _twin(group: Group, candidates: Sequence[Group]) -> Group | None:
    """The candidate of the nearest depth that differs in nothing but the skips."""
    alike = {
        abs(log(group.depth / other.depth)): other
        for other in candidates
        if group.depth and other.depth and _without(other, OF_SKIPS) == _without(group, OF_SKIPS)
    }
    nearest = min(alike, default=SAME_DEPTH)
    return alike[nearest] if nearest < SAME_DEPTH else None


def _first_sibling(group: Group, candidates: Sequence[Group]) -> Group | None:
    for other in candidates:
        mine, theirs = group.settings, other.settings
        names = {name for name in mine | theirs if mine.get(name) != theirs.get(name)}
        if len(names) == 1 and names != {"depth"}:
            return other
    return None


def degradations(groups: Sequence[Group]) -> list[Degradation]:
    """Each deeper network beside the shallowest that differs in nothing but its depth."""
    known = [(group.depth, group) for group in groups if group.depth and group.train_errors]
    known.sort(key=lambda pair: pair[0])
    found = []
    for depth, group in known:
        alike = [
            (other_depth, other)
            for other_depth, other in known
            if _without(other, ("depth",)) == _without(group, ("depth",))
        ]
        shallowest, shallow = alike[0]
        if shallowest < depth:
            found.append(_degradation(shallow, group))
    return found


def _degradation(shallow: Group, deep: Group) -> Degradation:
    gap = mean(deep.train_errors) - mean(shallow.train_errors)
    if isnan(gap.margin) or len(shallow.epochs | deep.epochs) > 1:
        finding = "inconclusive"
    elif gap.low > 0:
        finding = "degraded"
    else:
        finding = "not degraded" if gap.high < 0 else "inconclusive"
    return Degradation(shallow, deep, gap, finding)


def _without(group: Group, names: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in group.settings.items() if key not in names}
