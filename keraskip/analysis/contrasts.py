"""Differences between groups: the effect of the skips, and whether more depth hurts."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, log
from typing import Any

from keraskip.analysis.estimates import Estimate, mean
from keraskip.analysis.twins import is_twin
from keraskip.analysis.verdicts import Group

# Dense networks have other depths than plain ones: 19 is compared with 20, and 55 with 56.
SAME_DEPTH = log(1.15)
# Settings that a builder with skips has and one without skips has not.
SKIP_SETTINGS = "skips family variant shortcut depth growth_rate bottleneck compression".split()


@dataclass(frozen=True)
class Effect:
    """How another network changes the attenuation of a reference, and what is learned.

    Attributes:
        reference: the plain network, or one that differs in one other setting; in runs that no
            study made, the same network before `add_skips`, or else the first one.
        other: the network that is compared with it.
        orders: attenuation of the reference minus attenuation of the other, in orders of
            magnitude; positive where the other network keeps more of the signal. None where the
            signals cannot be compared, as with one that is dead.
        gap: training error of the other minus training error of the reference, in the last epoch,
            over seeds; None where it is unknown, or where the numbers of epochs differ.
    """

    reference: Group
    other: Group
    orders: Estimate | None
    gap: Estimate | None = None

    @property
    def by_skips(self) -> bool:
        """Whether the other network has skips, and the reference has none."""
        before, after = self.reference.settings, self.other.settings
        is_of_zoo = before.get("family") == "plain" != after.get("family", "plain")
        is_cured = "skips" in after and "skips" not in before
        return is_of_zoo or is_cured or is_twin(self.other.runs[0], self.reference.runs[0])


@dataclass(frozen=True)
class Degradation:
    """Whether a deeper network of a family trains worse (He et al. 2015, section 4.1).

    Attributes:
        shallow: the shallowest network of the family.
        deep: a deeper one with the same budget.
        gap: training error of the deep network minus training error of the shallow one, in the
            last epoch, over seeds.
        finding: `"degraded"` or `"not degraded"` where the 95 % interval lies above or below zero,
            else `"inconclusive"`.
    """

    shallow: Group
    deep: Group
    gap: Estimate
    finding: str

    @property
    def cell(self) -> str:
        """Two answers in one: the verdict on the signal, and whether more depth hurts."""
        return f"signal {self.deep.verdict}, {self.finding}"


def effects(groups: Sequence[Group]) -> list[Effect]:
    """The effect of the skips: each network beside its plain twin of about the same depth.

    A network without such a twin is compared with the first one that differs in one setting other
    than depth. Groups that no study made are compared with the same network before `add_skips`, and
    without it with the first group, or the first one of the same part.
    """
    pairs = [(_reference(group, groups), group) for group in groups]
    found = [_effect(reference, other) for reference, other in pairs if reference]
    return [effect for effect in found if effect.orders or effect.gap]


def _effect(reference: Group, other: Group) -> Effect:
    """The effect; of a network that is no twin, only where both signals are known."""
    orders = gap = None
    # The gradient of the kernels cannot be compared with the backward signal.
    is_comparable = reference.verdicts[0].signal == other.verdicts[0].signal
    if reference.attenuation and other.attenuation and is_comparable:
        orders = reference.attenuation - other.attenuation
    if (orders or is_twin(other.runs[0], reference.runs[0])) and _have_errors(reference, other):
        gap = mean(other.train_errors) - mean(reference.train_errors)
    return Effect(reference, other, orders, gap)


def _have_errors(first: Group, second: Group) -> bool:
    """Whether the training errors of two groups are known, after the same number of epochs."""
    is_known = first.train_errors and second.train_errors
    return bool(is_known) and len(first.epochs | second.epochs) == 1


def _reference(group: Group, groups: Sequence[Group]) -> Group | None:
    before = groups[: groups.index(group)]
    if not any(other.settings for other in groups):
        twins = [other for other in groups if is_twin(group.runs[0], other.runs[0])]
        # The two networks of a GAN are no pair: each is compared with its like in another run.
        first = next((other for other in before if _part(other) == _part(group)), None)
        # Nor is the plain network compared with its twin where that comes first.
        is_first_plain = first is not None and is_twin(first.runs[0], group.runs[0])
        return next(iter(twins), None if is_first_plain else first)
    if "skips" in group.settings:
        kept = _without(group, ("skips",))
        return next((other for other in groups if other.settings == kept), None)
    if group.settings.get("family") == "plain":
        return _first_sibling(group, before)
    plain = [other for other in groups if other.settings.get("family") == "plain"]
    return _twin(group, plain) or _first_sibling(group, before)


def _part(group: Group) -> str:
    return str(group.runs[0].info.get("part", ""))


def _twin(group: Group, candidates: Sequence[Group]) -> Group | None:
    """The candidate of the nearest depth that differs in nothing but the skips."""
    kept = _without(group, SKIP_SETTINGS)
    alike = {
        abs(log(group.depth / other.depth)): other
        for other in candidates
        if group.depth and other.depth and _without(other, SKIP_SETTINGS) == kept
    }
    nearest = min(alike, default=SAME_DEPTH)
    return alike[nearest] if nearest < SAME_DEPTH else None


def _first_sibling(group: Group, candidates: Sequence[Group]) -> Group | None:
    """The first candidate that differs in one setting other than depth."""
    for other in candidates:
        mine, theirs = group.settings, other.settings
        names = {name for name in mine | theirs if mine.get(name) != theirs.get(name)}
        if len(names) == 1 and names != {"depth"}:
            return other
    return None


def degradations(groups: Sequence[Group]) -> list[Degradation]:
    """Each deeper network beside the shallowest one that differs in nothing but its depth."""
    by_depth = [(group.depth, group) for group in groups if group.depth and group.train_errors]
    by_depth.sort(key=lambda pair: pair[0])
    comparisons = []
    for depth, deep in by_depth:
        kept = _without(deep, ("depth",))
        family = [pair for pair in by_depth if _without(pair[1], ("depth",)) == kept]
        shallowest, shallow = family[0]
        if shallowest < depth:
            comparisons.append(_degradation(shallow, deep))
    return comparisons


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
