"""Findings as the output of a notebook's cell."""

import vl_convert
from markupsafe import Markup

from keraskip.analysis.moments import early_profiles
from keraskip.report.chart_kinds import PARAMETERS, inline
from keraskip.report.findings import Findings
from keraskip.report.first_chart import first_chart
from keraskip.report.looks import with_groups
from keraskip.report.page import rendered

WIDTH, HEIGHT = 640, 280


def as_cell(findings: Findings) -> str:
    """The answer, the large chart of the early steps, a card for each network, and the table."""
    profiles = with_groups(early_profiles(findings.runs), findings.groups)
    drawing = first_chart(findings.groups, profiles, inline(profiles)).add_params(*PARAMETERS)
    drawing = drawing.properties(width=WIDTH, height=HEIGHT)
    picture = vl_convert.vegalite_to_svg(drawing.to_dict())
    return rendered(findings, "notebook.html.jinja", picture=Markup(picture))
