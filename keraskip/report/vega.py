"""Vega-Lite in short: the channels and the data of a chart, and charts over one another.

A chart is a specification of Vega-Lite, a dictionary: the page hands it to the browser, and
vl-convert makes pictures of it. To import a library that writes such dictionaries, and to write
them with it, would take a quarter of the time of a small report.

Each chart reads two parameters that a page may set: `hidden`, the keys of runs that are not shown,
and `moment`, the index of the stretch of steps whose profiles are shown. The others hold names
(`report/keys.py`).
"""

from typing import Any

import numpy as np
import pandas as pd

Chart = dict[str, Any]

PARAMETERS: list[Chart] = [{"name": "hidden", "value": []}, {"name": "moment", "value": 0}]
# The profiles of the runs by the name under which the page holds them, or a sheet.
PROFILES = {"name": "profiles"}
TYPES = {"N": "nominal", "O": "ordinal", "Q": "quantitative"}
# Letters over lines are drawn twice, first with an edge in the colour of the paper.
HALO: Chart = {"stroke": "#ffffff", "strokeWidth": 4, "strokeJoin": "round"}
# As Altair has it; without, a chart is 200 pixels high.
CONFIG = {"view": {"continuousWidth": 300, "continuousHeight": 300}}


def channel(column: str, **options: Any) -> Chart:
    """The settings of a channel.

    Args:
        column: its name and type, such as `"depth:Q"`, or with an aggregate, `"mean(loss):Q"`.
        options: properties of the channel, such as `title`, `axis` or `scale`.
    """
    name, _, kind = column.rpartition(":")
    aggregate, _, field = name.rstrip(")").rpartition("(")
    options |= {"aggregate": aggregate} if aggregate else {}
    return {"field": field, "type": TYPES[kind], **options}


def expression(text: str) -> Chart:
    """A property that Vega computes, from the width of a chart or from a row."""
    return {"expr": text}


def filtered(*tests: str) -> list[Chart]:
    """The transformation that leaves rows of the runs that are shown, if they pass the tests."""
    return [{"filter": " && ".join(("indexof(hidden, datum.run_key) < 0", *tests))}]


def named(kind: str) -> Chart:
    """The labels of an axis, a legend or a header for keys.

    Args:
        kind: `"run"`, `"group"`, `"layer"` or `"probe"`.
    """
    return {"labelExpr": f"{kind}_names[datum.value]"}


def inline(rows: pd.DataFrame) -> Chart:
    """Rows as the data of a chart."""
    # JSON has no NaN and no infinity.
    finite = rows.replace([np.inf, -np.inf], np.nan).astype(object)
    return {"values": finite.where(finite.notna(), None).to_dict("records")}


def faceted(facet: Chart, data: Chart, independent: str, **spec: Any) -> Chart:
    """A small chart for each value of a column, three in a row.

    Args:
        facet: the column.
        data: of all the charts.
        independent: the axis that each has for itself.
        spec: the chart.
    """
    return {
        "data": data,
        "facet": facet,
        "columns": 3,
        "spec": {**spec, "width": 290, "height": 180},
        "resolve": {"scale": {independent: "independent"}},
    }
