"""What a verdict compares, for the charts beside it: the signal, and the layers left out."""

from collections.abc import Sequence

from keraskip.analysis.gates import gated_layers, line_of_equals
from keraskip.analysis.silence import Silence
from keraskip.analysis.verdicts import Group
from keraskip.runs import Run

HOLLOW = (
    "Hollow points: layers on branches that begin multiplied by 0. The verdict does not compare "
    "them with the other layers."
)


def signal_of(groups: Sequence[Group]) -> str:
    """The signal that all runs have: `backward`, or `kernel` where one has few biases."""
    signals = {verdict.signal for group in groups for verdict in group.verdicts}
    return "kernel" if "kernel" in signals else "backward"


def left_out(groups: Sequence[Group]) -> dict[str, list[str]]:
    """The layers behind gates that the verdict on a run leaves out, by the name of the run.

    Runs without any are not named.
    """
    found = {run.name: _left_out(run) for group in groups for run in group.runs}
    return {name: layers for name, layers in found.items() if layers}


def note_of(groups: Sequence[Group]) -> str:
    """What the hollow points on a chart are; empty if there are none."""
    return HOLLOW if left_out(groups) else ""


def _left_out(run: Run) -> list[str]:
    silence = Silence(run)
    gated = gated_layers(silence)
    if not gated:
        return []
    # Where all lie behind gates, they are compared with each other.
    compared = set(run.weights["layer"].iloc[line_of_equals(silence).columns])
    return [name for name in gated if name not in compared]
