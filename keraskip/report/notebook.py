"""Findings as the output of a notebook's cell."""

import vl_convert
from markupsafe import Markup

from keraskip.analysis.moments import early_profiles, moments, profiles_at
from keraskip.report.compared import note_of
from keraskip.report.findings import Findings
from keraskip.report.first_chart import first_chart
from keraskip.report.keys import parameters, with_groups
from keraskip.report.page import rendered
from keraskip.report.vega import inline

WIDTH, HEIGHT = 640, 280


def as_cell(findings: Findings, is_live: bool = False) -> str:
    """The answer, the large chart, a card for each network, and the table.

    Args:
        findings: what it says.
        is_live: whether the chart shows the last steps of a training that goes on, instead of the
            early ones, which the verdicts read.
    """
    last = moments(findings.runs)[-1:]
    profiles = profiles_at(findings.runs, last) if is_live else early_profiles(findings.runs)
    profiles = with_groups(profiles, findings.groups)
    drawing = {
        **first_chart(findings.groups, profiles),
        "datasets": {"profiles": inline(profiles)["values"]},
        "params": parameters(findings.groups),
        "width": WIDTH,
        "height": HEIGHT,
        "config": {"point": {"size": 18}},
    }
    picture = vl_convert.vegalite_to_svg(drawing)
    steps = f"steps {last[0]}" if is_live else "early steps"
    return rendered(
        findings,
        "notebook.html.jinja",
        picture=Markup(picture),
        hollow=note_of(findings.groups),
        steps=steps,
    )
