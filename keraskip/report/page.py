"""Findings as a page: one file that loads nothing from a network."""

import base64
import gzip
import json
import re
from collections.abc import Sequence
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from keraskip.analysis.learning import LEARNING_RULES
from keraskip.analysis.moments import Moment, moments, profiles_at
from keraskip.analysis.verdicts import RULES
from keraskip.report.answer import answer_of
from keraskip.report.bundle import script
from keraskip.report.cards import cards_of
from keraskip.report.charts import CAPTIONS, SECTIONS, charts
from keraskip.report.compared import note_of
from keraskip.report.findings import Findings
from keraskip.report.first_chart import drawn, first_chart, ways_in
from keraskip.report.keys import parameters, with_groups
from keraskip.report.looks import looks_of
from keraskip.report.loss_chart import loss_chart, shows_more
from keraskip.report.name_places import MOST_NAMES
from keraskip.report.vega import CONFIG, Chart

# Of the compression: the highest one takes ten times as long and saves one part in twenty.
LEVEL = 5
# What a chart over depth draws: a column of the profiles of a signal.
NEEDED = {
    "backward": ("backward", "rms"),
    "kernel": ("kernel", "rms"),
    "ratio": ("kernel", "update_ratio"),
    "scale_free": ("kernel", "scale_free"),
}
CODE = re.compile("`([^`]+)`")
# Where a line of code may break: behind brackets, commas and the dots of names.
BREAK, WITH_BREAK = re.compile(r"[(,]|\.(?=\D)"), r"\g<0><wbr>"


def as_html(findings: Findings, reload_after: float | None = None) -> str:
    """The whole report.

    Args:
        findings: what it says.
        reload_after: seconds after which the open page loads itself anew, for runs that go on;
            None if it never does.
    """
    chosen = moments(findings.runs)
    profiles = with_groups(profiles_at(findings.runs, chosen), findings.groups)
    loss = loss_chart(findings, chosen)
    rows = drawn(findings.groups, profiles)
    is_loss_first = loss is not None and (shows_more(findings) or rows.empty)
    over_depth = "ways" if ways_in(findings.groups, rows) else "first"
    drawings = _drawings(findings, profiles, loss, is_loss_first)
    specifications = {
        name: {**_full_width(each), "config": CONFIG} for name, each in drawings.items()
    }
    sections = {
        section: {name: CAPTIONS[name] for name in names if name in drawings}
        for section, names in SECTIONS.items()
    }
    return rendered(
        findings,
        "report.html.jinja",
        charts=_packed(specifications),
        parameters=_packed(parameters(findings.groups)),
        profiles=_packed(_columns(profiles.assign(steps=_labels(profiles, chosen)))),
        first=CAPTIONS["loss" if is_loss_first else over_depth],
        hollow="" if is_loss_first else note_of(findings.groups),
        unnamed=len(findings.groups) > MOST_NAMES,
        sections={section: names for section, names in sections.items() if names},
        looks=_looks(findings),
        moments=list(map(str, chosen)),
        reload_after=reload_after,
        script=script(),
    )


def _drawings(
    findings: Findings, profiles: pd.DataFrame, loss: Chart | None, is_loss_first: bool
) -> dict[str, Chart]:
    """All charts of the page by name."""
    others = charts(findings.groups, blamed=_blamed(findings))
    others = {name: each for name, each in others.items() if not _is_empty(name, profiles)}
    first = loss if is_loss_first and loss else first_chart(findings.groups, profiles)
    return {"first": first, **others, **({"loss": loss} if loss and not is_loss_first else {})}


def _is_empty(name: str, profiles: pd.DataFrame) -> bool:
    """Whether a chart over depth has nothing to show, such as updates that are all zero."""
    if name not in NEEDED:
        return False
    signal, column = NEEDED[name]
    return not (profiles.loc[profiles["signal"] == signal, column] > 0).any()


def _blamed(findings: Findings) -> dict[str, dict[str, str]]:
    """For each run the layers that its first finding blames, with the kind of finding."""
    pairs = zip(findings.runs, findings.diagnoses, strict=True)
    return {
        run.name: dict.fromkeys(diagnosis[0].layers, diagnosis[0].kind)
        for run, diagnosis in pairs
        if diagnosis and diagnosis[0].layers
    }


def rendered(findings: Findings, template: str, **more: Any) -> str:
    """A template of this folder, filled in with findings, answer and cards."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keraskip.report", "."), autoescape=True, trim_blocks=True
    )
    environment.filters["with_code"] = _with_code
    return environment.get_template(template).render(
        findings=findings,
        answer=answer_of(findings),
        cards=cards_of(findings),
        rules=RULES,
        learning_rules=LEARNING_RULES,
        **more,
    )


def _with_code(sentence: str) -> Markup:
    """The sentence with what stands between backticks as code."""
    parts = CODE.split(str(escape(sentence)))
    parts[1::2] = [f"<code>{BREAK.sub(WITH_BREAK, code)}</code>" for code in parts[1::2]]
    return Markup("".join(parts))


def _looks(findings: Findings) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Colour and dash of each run."""
    looks = zip(findings.groups, looks_of(findings.groups), strict=True)
    return {run.name: look for group, look in looks for run in group.runs}


def _full_width(drawing: Chart) -> Chart:
    return drawing if "facet" in drawing else {**drawing, "width": "container"}


def _labels(profiles: pd.DataFrame, chosen: Sequence[Moment]) -> list[str]:
    labels = list(map(str, chosen))
    return [labels[moment] for moment in profiles["moment"]]


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """The columns of a frame in few bytes: each name once, numbers in the digits that are seen."""
    columns: dict[str, Any] = {}
    for name in frame:
        values = frame[name]
        if values.dtype.kind == "i":
            columns[str(name)] = {"values": values.tolist()}
        elif values.dtype.kind == "f":
            known = zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
            numbers = [float(f"{value:.2e}") if is_known else None for value, is_known in known]
            columns[str(name)] = {"values": numbers}
        else:
            codes, names = pd.factorize(values)
            columns[str(name)] = {"values": codes.tolist(), "names": list(names)}
    return columns


def _packed(data: Any) -> str:
    """Data in a quarter of its bytes, as base64: no name in it can end the script element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), LEVEL, mtime=0)).decode("ascii")
