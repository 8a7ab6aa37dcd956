"""What networks do, in words: each, and all of them counted."""

from collections.abc import Sequence

import numpy as np

from keraskip.analysis.estimates import mean
from keraskip.analysis.verdicts import Group
from keraskip.analysis.words import STATES
from keraskip.report.findings import Findings

MOST_NAMES = 3


def outcome_words(findings: Findings, group: Group) -> str:
    """What a network does, for the end of a sentence that begins with its name."""
    states = findings.states_of(group)
    count = states.count("learning")
    if count == len(states):
        return _learning_words(group)
    if count:
        return f"learns with {count} of {len(states)} seeds"
    if len(set(states)) > 1:
        return f"is not seen to learn with any of {len(states)} seeds"
    if states[0] not in ("diverged", "frozen") and all(v.at_chance for v in group.verdicts):
        return f"stays at chance{' so far' if states[0] == 'unknown' else ''}"
    return STATES[states[0]].predicate


def _learning_words(group: Group) -> str:
    accuracy = mean([verdict.accuracy for verdict in group.verdicts]).value
    # A loss may fall while the accuracy stays.
    if np.isnan(accuracy) or any(verdict.at_chance for verdict in group.verdicts):
        return "learns"
    return f"learns to a training accuracy of {accuracy:.0%}"


def counted(findings: Findings) -> str:
    """How many networks learn, and the names of the others; without a full stop."""
    count = len(findings.groups)
    learning, failing, undecided = by_outcome(findings)
    if len(learning) == count:
        return "Both networks learn" if count == 2 else f"All {count} networks learn"
    if len(undecided) == count:
        none = "Neither network" if count == 2 else f"None of the {count} networks"
        return f"{none} can be judged yet"
    if learning:
        words = f"{len(learning)} of {count} networks learn{'s' * (len(learning) == 1)}"
        words += f"; not {names_of(failing)}" if failing else ""
    elif undecided:
        words = f"{names_of(failing)} do{'es' * (len(failing) == 1)} not learn"
    else:
        words = "Neither network learns" if count == 2 else f"None of {count} networks learn"
    return words + (f"; undecided: {names_of(undecided)}" if undecided else "")


def by_outcome(findings: Findings) -> tuple[list[Group], list[Group], list[Group]]:
    """The networks that learn, those that fail, and those that are not decided."""
    groups = findings.groups
    learning = [group for group in groups if learns(findings, group)]
    failing = [g for g in groups if all(each.fails for each in findings.learnings_of(g))]
    return learning, failing, [group for group in groups if group not in failing + learning]


def learns(findings: Findings, group: Group) -> bool:
    """Whether a network learns in all of its runs."""
    return set(findings.states_of(group)) == {"learning"}


def names_of(groups: Sequence[Group]) -> str:
    """The names of networks, of many the first few."""
    names = [group.label for group in groups]
    # One name more is no longer than to say so.
    if len(names) <= MOST_NAMES + 1:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
