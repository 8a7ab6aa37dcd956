"""The parts of a section: what is printed, numbers, picture and code, as Markdown."""

import inspect
import re
from pathlib import Path

import numpy as np

import keraskip


def slug(name):
    """The anchor of a section."""
    return name.replace(" ", "-")


def printed(lines):
    """Lines as the recorder prints them at the end of a training."""
    return "```text\n" + "\n".join(lines) + "\n```"


def compared(run):
    """The answer of `compare`: its sentences, and its table, which a phone can scroll."""
    lines = str(keraskip.compare(run)).splitlines()
    first = lines.index("")
    head, _, row = (re.split(" {2,}", line) for line in lines[first + 1 : first + 4])
    table = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), row)]
    return f"{printed(lines[:first])}\n\n{chr(10).join(table)}"


def numbers(found):
    """The measured numbers of a finding in a sentence."""
    known = [f"{name.replace('_', ' ')} {value:.3g}" for name, value in found.evidence.items()
             if np.isfinite(value) and name != "step"]  # fmt: skip
    if found.steps:
        known.append(f"step {found.steps[0]}" if found.steps[0] == found.steps[1]
                     else f"steps {found.steps[0]} to {found.steps[1]}")  # fmt: skip
    return f"**Measured here.** {', '.join(known)}." if known else ""


def drawn(name, run):
    """The picture of a run."""
    keraskip.compare(run).save(f"{slug(name)}.svg")
    folder = Path.cwd().name
    return f"![The gradient of each layer](../made/says/{folder}/{slug(name)}.svg)"


def code(example, cured):
    """The code of the example, folded."""
    lines = inspect.getsource(example).rstrip()
    changes = ", ".join(f"{name}={value!r}" for name, value in cured.items())
    call = f"\n\nrun = trained({example.__name__}())"
    call += f"\ncured = trained({example.__name__}({changes}))" * bool(cured)
    body = re.sub(r"^@.*\n", "", lines) + call
    indented = "\n".join(f"    {line}" if line else "" for line in body.splitlines())
    return f'??? example "The network"\n\n    ```python\n{indented}\n    ```'


def capital(text):
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]
