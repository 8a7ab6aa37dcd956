"""The answers for layers that get no gradient: `no gradient` and `dead`."""

from keraskip.analysis.answer import Answer
from keraskip.analysis.rounding import is_rounding_error, precision
from keraskip.analysis.silence import Silence, few
from keraskip.analysis.windows import MOST, late_steps, since, sound_steps
from keraskip.runs import Run


def of_silence(run: Run, silence: Silence) -> Answer | None:
    """The answer where layers get nothing that should get something."""
    if silence.is_everywhere:
        step = silence.since(silence.layers)
        reason = f"none leaves the loss, all are exactly 0 {_when(run, step)}{_why(run)}"
        return Answer("no gradient", reason, (), step)
    if silence.underflowed and precision(run) == "float16":
        step, zeros = _zeros(run, silence, silence.underflowed)
        reason = f"{zeros}: float16 has no number below 6e-8, which loss scaling would make up for"
        return Answer("no gradient", reason, tuple(silence.underflowed), step)
    if not silence.blocked:
        return None
    step, zeros = _zeros(run, silence, silence.blocked)
    if not silence.answers_zero:
        cause = "a saturated activation, or something like stop_gradient, holds it back"
        return Answer("no gradient", f"{zeros}: {cause}", tuple(silence.blocked), step)
    if not silence.culprit:
        return Answer("dead", zeros, tuple(silence.blocked), step)
    layer, size = silence.culprit
    reason = f"{zeros}; the bias of {layer} ran away, to an RMS of {size:.1g}"
    return Answer("dead", reason, (layer,), step)


def _zeros(run: Run, silence: Silence, layers: list[str]) -> tuple[int | None, str]:
    """Since when the top ones of these layers get nothing, and that in words."""
    step = silence.since([name for name in layers if name in silence.top] or layers)
    return step, f"{few(layers)} got gradients of exactly 0 {_when(run, step)}"


def _why(run: Run) -> str:
    """Why no gradient at all leaves the loss, as far as the run tells."""
    loss = run.scalars.get("loss")
    if loss is not None and (loss[late_steps(run)] == 0).mean() >= MOST:
        return ", and so is the loss"
    return ", as behind an output that is saturated or dead"


def of_rounding(run: Run) -> Answer | None:
    """The answer where nothing but rounding errors arrives."""
    rows, late = sound_steps(run), late_steps(run)
    is_error = is_rounding_error(run, rows)
    if is_error[len(rows) - len(late) :].mean() < MOST:
        return None
    step = since(run, rows, is_error)
    reason = (
        f"all gradients are at the level of rounding errors {_when(run, step)}: contributions "
        "cancel, or nothing is left to learn"
    )
    return Answer("no gradient", reason, (), step)


def _when(run: Run, step: int | None) -> str:
    if step is None:
        return "in most of the last steps"
    return (
        "from the first step on" if step == run.steps[sound_steps(run)[0]] else f"since step {step}"
    )
