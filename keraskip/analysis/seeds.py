"""The verdict on one network over the runs of several seeds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from keraskip.analysis.estimates import Estimate, mean
from keraskip.analysis.lines import line_of
from keraskip.analysis.outlook import outlook
from keraskip.analysis.silence import Silence
from keraskip.analysis.verdicts import SPECIAL, Verdict
from keraskip.analysis.windows import early_steps, late_steps
from keraskip.runs import Run


class Judgement(NamedTuple):
    """The verdict on one network, over the runs of its seeds; `Verdict` explains the fields."""

    verdict: str
    reason: str
    attenuation: Estimate | None


def judge_together(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> Judgement:
    """The verdict on one network.

    Args:
        runs: a run for each seed.
        verdicts: the verdict on each run.
    """
    first = verdicts[0]
    if len(runs) == 1:
        return Judgement(first.verdict, first.reason, first.attenuation)
    for special in SPECIAL:
        count = sum(verdict.verdict == special for verdict in verdicts)
        if count == len(runs):
            return Judgement(special, first.reason, None)
        if count:
            return Judgement("inconclusive", f"{count} of {len(runs)} seeds {special}", None)
    if not all(len(early_steps(run)) for run in runs):
        return Judgement("inconclusive", "a run without sound steps", None)
    # The same weights in each run, also where a gradient is missing in one of them.
    line = line_of(runs[0], Silence(runs[0]).heads)
    lines = [replace(line, run=run) for run in runs]
    early = outlook(lines, [early_steps(run) for run in runs])
    if all(verdict.since is not None for verdict in verdicts):
        late = outlook(lines, [late_steps(run) for run in runs])
        reason = f"{early.verdict} at first, {late.verdict} at the end of all seeds: {late.reason}"
        return Judgement(late.verdict, reason, early.attenuation)
    agreed = {verdict.verdict for verdict in verdicts}
    known = [verdict.attenuation.value for verdict in verdicts if verdict.attenuation]
    if early.verdict == "healthy" and agreed in ({"vanishing"}, {"exploding"}) and known:
        # In one of several towers, which the line of the whole network hides.
        return Judgement(first.verdict, first.reason, mean(known))
    return Judgement(early.verdict, early.reason, early.attenuation)
