"""Charts on paper: four of them on one sheet, as wide as a column or as the text of two."""

import re
from collections.abc import Sequence

import vl_convert

from keraskip.analysis.moments import early_profiles
from keraskip.analysis.verdicts import Group
from keraskip.report.charts import CAPTIONS, charts
from keraskip.report.keys import parameters, with_groups
from keraskip.report.vega import Chart, inline

# In millimetres, as Nature asks for; most journals differ by less than five.
WIDTHS = {"column": 89.0, "text": 183.0}
# How many charts lie side by side, and the height of a chart over its width.
SIDE_BY_SIDE = {"column": 1, "text": 2}
FLATNESS = {"column": 0.36, "text": 0.58}
ON_PAPER = ("backward", "kernel", "learning", "frozen")
POINTS_OF_MM, PIXELS_OF_INCH = 72 / 25.4, 300
# In points.
SMALL, LARGE, LETTER, SYMBOL, GAP = 7, 8, 4.0, 30, 12


def as_picture(groups: Sequence[Group], suffix: str, width: str) -> bytes:
    """The charts of some groups as a file.

    Args:
        groups: what is drawn, with the profiles of the early steps.
        suffix: `".png"`, of 300 pixels to the inch, `".svg"` or `".pdf"`.
        width: a key of `WIDTHS`.
    """
    sheet = fitted(groups, width)
    if suffix == ".png":
        return vl_convert.vegalite_to_png(sheet, ppi=PIXELS_OF_INCH)
    if suffix == ".pdf":
        return vl_convert.vegalite_to_pdf(sheet)
    return _in_millimetres(vl_convert.vegalite_to_svg(sheet)).encode("utf-8")


def fitted(groups: Sequence[Group], width: str) -> Chart:
    """A sheet of this width, in which a pixel of Vega is a point of paper."""
    wanted, columns = WIDTHS[width] * POINTS_OF_MM, SIDE_BY_SIDE[width]
    longest = max(len(group.label) for group in groups)
    legend = {"columns": max(1, int(wanted // (LETTER * longest + SYMBOL)))}
    legend["labelLimit"] = int(wanted) - SYMBOL
    runs = [run for group in groups for run in group.runs]
    sheet = {
        "params": parameters(groups),
        "datasets": {"profiles": inline(with_groups(early_profiles(runs), groups))["values"]},
        "config": _config(legend),
    }
    drawings = charts(groups, legend=True)
    first = wanted / columns * 0.8
    # Axes and their words take room, which only a drawing shows.
    over, _ = _size(vl_convert.vegalite_to_svg(sheet | _arranged(drawings, first, width)))
    return sheet | _arranged(drawings, first + (wanted - over) / columns, width)


def _arranged(drawings: dict[str, Chart], wide: float, width: str) -> Chart:
    """The charts of a sheet in rows."""
    sized = [
        {
            **drawings[name],
            "width": wide,
            "height": wide * FLATNESS[width],
            "title": CAPTIONS[name].title,
        }
        for name in ON_PAPER
    ]
    columns = SIDE_BY_SIDE[width]
    rows = [sized[index : index + columns] for index in range(0, len(sized), columns)]
    return {"vconcat": [{"hconcat": row, "spacing": GAP} for row in rows], "spacing": GAP}


def _config(legend: dict[str, int]) -> Chart:
    """The looks of a sheet."""
    words = {"labelFontSize": SMALL, "titleFontSize": SMALL}
    lines = {"gridColor": "#e5e5e5", "gridWidth": 0.5, "titleFontWeight": "normal", "tickSize": 3}
    return {
        "padding": 2,
        "view": {"stroke": None},
        "title": {"anchor": "start", "fontSize": LARGE, "offset": 4, "frame": "group"},
        "line": {"strokeWidth": 1},
        "point": {"size": 3},
        "axis": {**lines, **words},
        "legend": {"orient": "top", "symbolStrokeWidth": 1.2, "rowPadding": 1, **words, **legend},
    }


def _size(svg: str) -> tuple[float, float]:
    """Width and height of a picture, in points."""
    found = re.search(r'<svg[^>]* width="([\d.]+)"[^>]* height="([\d.]+)"', svg)
    assert found
    return float(found[1]), float(found[2])


def _in_millimetres(svg: str) -> str:
    """The picture with its size on paper, which pixels do not tell."""
    width, height = _size(svg)
    size = f' width="{width / POINTS_OF_MM:.2f}mm" height="{height / POINTS_OF_MM:.2f}mm"'
    return re.sub(r' width="[\d.]+" height="[\d.]+"', size, svg, count=1)
