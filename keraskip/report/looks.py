"""How charts show groups: a colour for each family, a dash for each group of it."""

from collections.abc import Sequence
from typing import Any

from keraskip.analysis.verdicts import Group
from keraskip.report.vega import Chart, channel, named

# Okabe & Ito 2008, colours that colour-blind readers can tell apart, without their yellow, which is
# faint on white. Their black is a grey here, which shows on black, too.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))


def looks_of(groups: Sequence[Group]) -> list[tuple[str, tuple[int, ...]]]:
    """For each group the colour of its family, and a dash of its own within the family."""
    families = [group.settings.get("family", group.label) for group in groups]
    index_of = {family: index for index, family in enumerate(dict.fromkeys(families))}
    looks: list[tuple[str, tuple[int, ...]]] = []
    for number, family in enumerate(families):
        round_of_colours, colour = divmod(index_of[family], len(COLOURS))
        dash = (round_of_colours + families[:number].count(family)) % len(DASHES)
        looks.append((COLOURS[colour], DASHES[dash]))
    return looks


def group_encodings(groups: Sequence[Group], legend: bool) -> dict[str, Chart]:
    """The looks as encodings of a chart, with or without a legend that names the groups."""
    colours, dashes = zip(*looks_of(groups), strict=True)
    stroke = {"symbolType": "stroke", "symbolSize": 200, "title": None}
    options: dict[str, Any] = {
        "title": "run",
        "legend": {**stroke, **named("group")} if legend else None,
    }
    keys = list(range(len(groups)))
    return {
        name: channel("group_key:N", scale={"domain": keys, "range": list(each)}, **options)
        for name, each in (("color", colours), ("strokeDash", dashes))
    }
