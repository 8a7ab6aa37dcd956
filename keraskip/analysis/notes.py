"""Sentences about what is beside the verdict: what was not judged."""

from collections.abc import Iterator

from keraskip.analysis.gates import gated_layers
from keraskip.analysis.silence import Silence, few
from keraskip.runs import Run


def notes_of(run: Run, silence: Silence) -> list[str]:
    """The sentences, without a full stop.

    Args:
        run: a run.
        silence: its layers without a gradient.
    """
    return [
        *_damage(run),
        *_heads(silence),
        *_gated(silence),
        *_unrecorded(run),
        *_time(run),
    ]


def _damage(run: Run) -> Iterator[str]:
    for before, behind in run.damaged:
        first = before + 1
        steps = f"from step {first} on" if behind is None else f"from step {first} to {behind - 1}"
        steps = f"of step {first}" if behind == first + 1 else steps
        yield f"not judged: the record {steps} is damaged and left out"


def _heads(silence: Silence) -> Iterator[str]:
    if silence.heads:
        names = few(silence.heads)
        yield f"not judged: {names} never got a gradient, as the loss does not depend on it"


def _gated(silence: Silence) -> Iterator[str]:
    gated = gated_layers(silence)
    if gated:
        yield (
            f"not compared with other layers: {few(gated)} on branches behind a weight that begins "
            "at 0, as they get no gradient in the first step, and little until it has grown"
        )


def _unrecorded(run: Run) -> Iterator[str]:
    """Layers that a filter left out of the record; those that do not train have no gradient.

    Where no weight was left out, layers in between use the weights of others once more.
    """
    deepest = int(run.info.get("depth") or 0)
    missing = set(range(1, deepest + 1)) - set(run.weights["depth"])
    if not missing or run.info.get("untrained"):
        return
    of_all = f"{len(missing)} of {deepest} layers in a row"
    use, were = ("uses", "was") if len(missing) == 1 else ("use", "were")
    if run.info.get("unrecorded") == 0:
        yield (
            f"not judged: {of_all} {use} the weights of others once more, and the gradient of "
            "a shared weight is a sum over its uses"
        )
    else:
        yield f"not judged: {of_all} {were} not recorded"


def _time(run: Run) -> Iterator[str]:
    # A cell of one's own may call its weights anything.
    is_recurrent = run.weights["role"].eq("recurrent_kernel").any() or run.info.get("recurrent")
    if is_recurrent and not run.probes["probe"].str.contains("time").any():
        yield "this is over layers; what the gradient does over time was not looked at"
