"""A comparison as a page: one file, which asks for nothing from a network."""

import json
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import altair as alt
import jinja2
import numpy as np
import pandas as pd
import vl_convert

from keraskip.analysis import RULES, Moment, moments, profiles_at
from keraskip.charts import PARAMETERS, TEXTS, TITLES, charts, looks_of, with_groups
from keraskip.report import words

if TYPE_CHECKING:
    from keraskip.report.comparison import Comparison


def as_html(comparison: "Comparison") -> str:
    """The whole report."""
    version = ".".join(alt.VEGALITE_VERSION.split(".")[:2])
    draw = resources.files("keraskip.report").joinpath("page.js").read_text("utf-8")
    chosen = moments(comparison.runs)
    profiles = with_groups(profiles_at(comparison.runs, chosen), comparison.groups)
    found = charts(comparison.groups, alt.NamedData("profiles"))
    specifications = {
        name: _as_wide_as_its_place(chart).add_params(*PARAMETERS).to_dict()
        for name, chart in found.items()
    }
    return _rendered(
        comparison,
        "report.html.jinja",
        charts=_in_a_script(specifications),
        profiles=_in_a_script(_columns(profiles.assign(steps=_labels(profiles, chosen)))),
        titles={name: title for name, title in TITLES.items() if name in found},
        texts=TEXTS,
        looks=_looks(comparison),
        moments=list(map(str, chosen)),
        script=vl_convert.javascript_bundle(draw, vl_version=version),
    )


def as_summary(comparison: "Comparison") -> str:
    """The findings and the table, for a notebook."""
    return _rendered(comparison, "summary.html.jinja")


def _rendered(comparison: "Comparison", template: str, **more: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keraskip.report", "."), autoescape=True, trim_blocks=True
    )
    return environment.get_template(template).render(
        columns=comparison.columns,
        rows=comparison.rows,
        about_groups=list(map(words.about_group, comparison.groups)),
        about_effects=list(map(words.about_effect, comparison.effects)),
        about_degradations=list(map(words.about_degradation, comparison.degradations)),
        rules=RULES,
        runs=comparison.runs,
        **more,
    )


def _looks(comparison: "Comparison") -> dict[str, tuple[str, tuple[int, ...]]]:
    """Colour and dash of each run."""
    looks = zip(comparison.groups, looks_of(comparison.groups), strict=True)
    return {run.name: look for group, look in looks for run in group.runs}


def _as_wide_as_its_place(chart: Any) -> Any:
    return chart if isinstance(chart, alt.FacetChart) else chart.properties(width="container")


def _labels(profiles: pd.DataFrame, chosen: Sequence[Moment]) -> list[str]:
    return [str(chosen[number]) for number in profiles["moment"]]


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """The columns of a frame in few bytes: names once, numbers in four digits."""
    found: dict[str, Any] = {}
    for column in frame:
        values = frame[column]
        if values.dtype.kind in "fi":
            numbers = [float(f"{value:.3e}") for value in values]
            found[str(column)] = {"values": [n if np.isfinite(n) else None for n in numbers]}
        else:
            codes, names = pd.factorize(values)
            found[str(column)] = {"values": codes.tolist(), "names": list(names)}
    return found


def _in_a_script(data: Any) -> str:
    """JSON in which no name of a run or layer can end the script: "<" is an escape."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
