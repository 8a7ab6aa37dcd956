"""Whether the signal keeps its size over depth: at the beginning, at the end, over the run."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from keraskip.analysis.estimates import Estimate, mean
from keraskip.analysis.lines import Line
from keraskip.analysis.shapes import HEALTHY_ORDERS, Shape, shape_of
from keraskip.analysis.windows import early_steps, late_steps, since, sound_steps

# The steps that an answer is about are cut into stretches whose means are nearly independent.
STRETCHES = 8
# Three layers about a line leave one degree of freedom, and Student's interval is 13 errors wide.
# Two or three layers are compared by the ratio of the last to the first one, over steps.
FEWEST_OF_A_LINE = 4
# The reasons that say no more than the attenuation itself.
PLAIN_REASONS = (
    "the signal shrinks on its way down",
    "the signal grows on its way down",
    "the signal keeps its size",
    "the interval contains a limit",
)
DECIDED = ("vanishing", "exploding", "healthy")


class Outlook(NamedTuple):
    """An answer about some steps of a run, or about some seeds.

    Attributes:
        verdict: `"vanishing"`, `"exploding"`, `"healthy"` or `"inconclusive"`.
        reason: the reason in a few words.
        attenuation: how far the signal falls from the last to the first hidden layer; with a single
            hidden layer, from the output to that layer. None where there is nothing to compare.
        layers: the layers at a drop, in a hole, at the bottom of a V or in a peak.
    """

    verdict: str
    reason: str
    attenuation: Estimate | None
    layers: tuple[str, ...] = ()


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
    """The first step that is nearer to the end than to the beginning, as most after it are."""
    rows = sound_steps(line.run)
    if not early.attenuation or not late.attenuation or len(line.depth) < 2:
        return None
    heights = line.heights(rows)
    middle = (early.attenuation.value + late.attenuation.value) / 2
    centred = line.depth - line.depth.mean()
    falls = heights @ centred / (centred @ centred) * np.ptp(line.depth)
    is_as_late = (falls > middle) == (late.attenuation.value > middle)
    return since(line.run, rows, is_as_late)


def outlook_of(line: Line, rows: np.ndarray) -> Outlook:
    """The answer for some rows of a run."""
    if not len(rows):
        return Outlook("inconclusive", "no step has finite gradients only", None)
    return outlook([line], [rows])


def outlook(lines: Sequence[Line], windows: Sequence[np.ndarray]) -> Outlook:
    """The answer from several profiles of one network.

    A bias's gradient is a sum over positions, so it shrinks where maps do, on the way down through
    a generator, without any loss of signal. Such sums are what the updates see, and if they keep
    their size, all is well. If they do not, the signal at one position has to show it, too.

    Args:
        lines: of one run, which gives a profile for each of a few stretches of its steps, or of the
            runs of several seeds, which give one each.
        windows: for each line, rows of its run.
    """
    answer = _outlook(lines, windows)
    if answer.verdict == "healthy" or not lines[0].has_maps_of_many_sizes:
        return answer
    at_one, between = (
        _outlook([line.per_position(share) for line in lines], windows) for share in (1.0, 0.5)
    )
    if between.verdict == "healthy" and at_one.verdict in ("healthy", "inconclusive"):
        return between
    if at_one.verdict == answer.verdict:
        return answer
    reason = "maps change their size, and it is not known how much of the change is theirs"
    return Outlook("inconclusive", reason, between.attenuation)


def _outlook(lines: Sequence[Line], windows: Sequence[np.ndarray]) -> Outlook:
    line = lines[0]
    pairs = list(zip(lines, windows, strict=True))
    above = _profiles([each.above(rows) for each, rows in pairs])
    if not len(line.depth):
        return _without_hidden_layers(line)
    if len(line.depth) == 1:
        return _of_one_layer(above)
    log_rms = _profiles([each.heights(rows) for each, rows in pairs])
    assert log_rms is not None
    shape = shape_of(line.depth, log_rms) if len(line.depth) >= FEWEST_OF_A_LINE else None
    ratio = mean((log_rms[:, -1] - log_rms[:, 0]).tolist())
    answer = _of_shape(line, shape) if shape else _answer(ratio)
    fall = None if above is None else mean(above.ravel().tolist())
    if answer.verdict in ("healthy", "inconclusive") and fall and fall.low > HEALTHY_ORDERS:
        reason = (
            f"the signal drops {fall.value:.1f} orders between the output and {line.layers[-1]}"
        )
        return Outlook("vanishing", reason, answer.attenuation, (line.layers[-1],))
    return answer


def _profiles(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The means of stretches of steps of one run, or of the steps of each of several runs."""
    known = [each for each in values if each is not None]
    if len(known) < len(values):
        return None
    parts = np.array_split(known[0], min(STRETCHES, len(known[0]))) if len(known) == 1 else known
    return np.array([part.mean(axis=0) for part in parts])


def _without_hidden_layers(line: Line) -> Outlook:
    deepest = line.run.info.get("depth", line.run.weights["depth"].max())
    if deepest <= 1 and len(line.run.weights):
        reason = "the only layer gets its gradient from the loss itself"
        return Outlook("healthy", reason, None)
    return Outlook("inconclusive", "no hidden layer with a gradient is recorded", None)


def _of_one_layer(above: np.ndarray | None) -> Outlook:
    if above is None:
        reason = "one hidden layer, and no weight of its kind in the output to compare with"
        return Outlook("inconclusive", reason, None)
    answer = _answer(mean(above.ravel().tolist()))
    # More at the hidden layer than at the output is no growth over depth.
    if answer.verdict == "exploding":
        return answer._replace(verdict="inconclusive", reason="there is one hidden layer")
    return answer


def _of_shape(line: Line, shape: Shape) -> Outlook:
    names = tuple(line.layers[shape.first : shape.last + 1])
    answer = _answer(shape.attenuation)
    if not shape.size:
        return answer
    orders = f"{abs(shape.size.value):.1f} orders"
    if shape.kind == "drop":
        change = "drops" if shape.size.value > 0 else "grows"
        upper, lower = line.layers[shape.last + 1], names[-1]
        place = f"the signal {change} {orders} between {upper} and {lower}"
        reason = place if answer.verdict != "inconclusive" else f"{place}; {answer.reason}"
        return answer._replace(reason=reason, layers=(lower,))
    where = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    if shape.kind == "peak":
        reason = f"the signal is {orders} larger in {where} than in the layers around"
        return Outlook("inconclusive", reason, shape.attenuation, names)
    if shape.kind == "hole":
        reason = f"the signal is {orders} smaller in {where} than in the layers around"
    else:
        reason = f"the signal falls {orders} on its way to {where}, and is larger again below"
    return Outlook("vanishing", reason, shape.attenuation, names)


def _answer(attenuation: Estimate) -> Outlook:
    """The answer from the ends alone."""
    shrinks, grows, keeps, unknown = PLAIN_REASONS
    low, high = attenuation.low, attenuation.high
    if low > HEALTHY_ORDERS:
        return Outlook("vanishing", shrinks, attenuation)
    if high < -HEALTHY_ORDERS:
        return Outlook("exploding", grows, attenuation)
    if low > -HEALTHY_ORDERS and high < HEALTHY_ORDERS:
        return Outlook("healthy", keeps, attenuation)
    is_known = not np.isnan(attenuation.margin)
    reason = unknown if is_known else "one step or seed gives no interval"
    return Outlook("inconclusive", reason, attenuation)
