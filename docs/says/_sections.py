"""The sections about findings, verdicts and states, as Markdown.

The scripts beside this one use it, each on small networks with one fault. A section is a file in
the folder where the script runs.
"""

import inspect
import re
from pathlib import Path

import keras
import numpy as np
from _figures import in_battery, state_in_battery, verdict_in_battery
from _parts import capital, code, compared, drawn, numbers, printed, slug
from _training import made, trained

import keraskip
from keraskip.analysis.causes import CAUSES, LAST_RESORTS, diagnose
from keraskip.analysis.learning import LEARNING_RULES, learning_of
from keraskip.analysis.verdicts import RULES, judge
from keraskip.analysis.words import about_learning, diagnosis

RULE = "**[When it is said](index.md#words).**"


def finding(kind, picture=False, **cured):
    """Writes the section about a kind of finding, from the example below.

    `cured` are the arguments of the example that do what the remedy says. Without them, the lines
    of code in the remedy are applied as they are printed, if there are some.
    """

    def write(example):
        run = trained(made(example))
        found = {each.kind: each for each in diagnose(run)}
        if kind not in found:
            raise SystemExit(f"{kind} is not found, but {list(found)}: {diagnosis(run)}")
        parts = [
            printed(diagnosis(run)),
            f"{RULE} {rule_of(kind)}",
            numbers(found[kind]),
            f"**Remedy, as printed.** {found[kind].remedy}",
            after(example, found[kind], cured),
            f"**Source.** {capital(found[kind].source)}.",
            f"**In the [battery](index.md#battery).** {in_battery(kind)}",
            drawn(kind, run) if picture else "",
            code(example, cured),
        ]
        save(kind, parts)
        return example

    return write


def save(name, parts):
    """Writes a fragment beside the output of the script."""
    Path(f"{slug(name)}.md").write_text("\n\n".join(filter(None, parts)) + "\n", "utf-8")
    print(name, flush=True)


def rule_of(kind):
    """The rule in words: the documentation of the cause."""
    return inspect.getdoc({**CAUSES, **LAST_RESORTS}[kind])


def after(example, found, cured):
    """How the training goes once the fault is mended."""
    training = made(example, **cured) if cured else applied(made(example), found.remedy)
    how = "Mended by hand" if cured else "With the first line of the remedy"
    return f"**{how}, and trained again.** {said_after(trained(training))}." if training else ""


def said_after(run):
    """Whether the cured network learns, and what it knows in the end."""
    state = about_learning(learning_of(run))
    accuracy = judge(run).accuracy
    known = "" if np.isnan(accuracy) else f"; accuracy {accuracy:.0%} in the last epoch"
    return capital(state) + known


def applied(training, remedy):
    """The training with the statements of a remedy carried out; None if it has none."""
    lines = [line for line in re.findall(r"`([^`]*)`", remedy)
             if re.match(r"(x|y|good|optimizer|model) = |x, y = ", line)]  # fmt: skip
    if not lines:
        return None
    names = {**training._asdict(), "keras": keras, "keraskip": keraskip, "np": np}
    exec(lines[0], names)
    return training._replace(**{name: names[name] for name in ("x", "y", "optimizer", "model")})


def verdict(name, picture=True, **changes):
    """Writes the section about a verdict on the signal."""

    def write(example):
        run = trained(made(example, **changes))
        answer = judge(run)
        if answer.verdict != name:
            raise SystemExit(f"{name} is not the verdict, but {answer.verdict}: {answer.reason}")
        parts = [
            compared(run),
            f"{RULE} {capital(RULES[name])}.",
            f"**Measured here.** {capital(answer.reason)}." if answer.reason else "",
            f"**In the battery.** {verdict_in_battery(name)}",
            drawn(f"signal {name}", run) if picture else "",
            code(example, changes),
        ]
        save(f"signal {name}", parts)
        return example

    return write


def state(name):
    """Writes the section about a state of learning."""

    def write(example):
        run = trained(made(example))
        learning = learning_of(run)
        if learning.state != name:
            raise SystemExit(f"{name} is not the state, but {learning.state}: {learning.reason}")
        parts = [
            printed([f"{about_learning(learning)}."]),
            f"{RULE} {capital(LEARNING_RULES[name])}.",
            f"**Measured here.** {capital(learning.reason)}.",
            f"**In the battery.** {state_in_battery(name)}",
            code(example, {}),
        ]
        save(f"learning {name}", parts)
        return example

    return write
