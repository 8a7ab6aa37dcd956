"""The beginning and the end of a run: what the signal did, and since which step it does another."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from keraskip.analysis.lines import Line
from keraskip.analysis.outlook import Outlook, outlook_of
from keraskip.analysis.windows import early_steps, late_steps, since, sound_steps

DECIDED = ("vanishing", "exploding", "healthy")


class Course(NamedTuple):
    """The course of the signal over a run.

    Attributes:
        line: the line that was judged.
        early: the answer for the beginning.
        late: the answer for the end.
        verdict: the answer for the run: that for the end if it is another one, else that for the
            beginning.
        reason: the reason, with the step of a change.
        since: the number of the step since which the signal is as at the end; None if it did not
            change.
    """

    line: Line
    early: Outlook
    late: Outlook
    verdict: str
    reason: str
    since: int | None


def course_of(line: Line, towers: Mapping[str, Line]) -> Course:
    """The course of the signal over a run; of several towers, of the first one that is not healthy.

    Args:
        line: the line of the whole network.
        towers: the lines of its towers by name; may be empty.
    """
    whole = _course(line)
    if whole.verdict in ("vanishing", "exploding"):
        return whole
    for name, tower in towers.items():
        course = _course(tower)
        if course.verdict in ("vanishing", "exploding"):
            return course._replace(reason=f"in the tower that begins with {name}: {course.reason}")
    return whole


def _course(line: Line) -> Course:
    early = outlook_of(line, early_steps(line.run))
    late = outlook_of(line, late_steps(line.run))
    if not _is_change(early, late):
        return Course(line, early, late, early.verdict, early.reason, None)
    step = _step_of_change(line, early, late)
    when = f"from about step {step} on" if step is not None else "at the end"
    before = early.verdict if early.verdict in DECIDED else "not clear"
    reason = f"{before} at first, {late.verdict} {when}: {late.reason}"
    return Course(line, early, late, late.verdict, reason, step)


def _is_change(early: Outlook, late: Outlook) -> bool:
    if late.verdict not in DECIDED or early.verdict == late.verdict:
        return False
    if not early.attenuation or not late.attenuation:
        return False
    if early.layers != late.layers and early.verdict in DECIDED:
        return True
    change = late.attenuation - early.attenuation
    return change.low > 0 or change.high < 0


def _step_of_change(line: Line, early: Outlook, late: Outlook) -> int | None:
    """The first step whose attenuation is nearer to that of the end, as most after it are."""
    rows = sound_steps(line.run)
    if not early.attenuation or not late.attenuation or len(line.depth) < 2:
        return None
    heights = line.heights(rows)
    middle = (early.attenuation.value + late.attenuation.value) / 2
    centred = line.depth - line.depth.mean()
    falls = heights @ centred / (centred @ centred) * np.ptp(line.depth)
    is_as_late = (falls > middle) == (late.attenuation.value > middle)
    return since(line.run, rows, is_as_late)
