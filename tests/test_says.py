"""Everything that the package can say has a section, an example and figures on the site."""

import json
import re
from pathlib import Path

import pytest

from keraskip.analysis.causes import CAUSES, LAST_RESORTS
from keraskip.analysis.learning import LEARNING_RULES
from keraskip.analysis.verdicts import RULES

SAYS = Path(__file__).parents[1] / "docs" / "says"
BATTERY = json.loads((SAYS / "battery.json").read_text("utf-8"))
SCRIPTS = sorted(SAYS.glob("*.py"))
PAGES = {page.stem: page.read_text("utf-8") for page in SAYS.glob("*.md")}
KINDS = {**CAUSES, **LAST_RESORTS}
NAMES = {"finding": set(KINDS), "verdict": set(RULES), "state": set(LEARNING_RULES)}
FOLDERS = {"finding": "", "verdict": "signal ", "state": "learning "}
ANCHORS = {
    f"{FOLDERS[group]}{name}".replace(" ", "-") for group, names in NAMES.items() for name in names
}


def sections():
    """The anchors of all sections but those of the index, with the fragment that each includes."""
    text = "\n".join(text for name, text in PAGES.items() if name != "index")
    return re.findall(
        r'^## .*\{#([\w-]+)\}\n\n--8<-- "docs/made/says/(\w+)/([\w-]+)\.md"', text, re.M
    )


def examples(group):
    """The names that scripts make a fragment for, with the script."""
    pattern = re.compile(rf'^@{group}\("([^"]+)"', re.M)
    return [(name, script.stem) for script in SCRIPTS
            for name in pattern.findall(script.read_text("utf-8"))]  # fmt: skip


def test_every_name_has_one_section_and_no_section_lacks_a_name():
    anchors = [anchor for anchor, _, _ in sections()]
    assert sorted(anchors) == sorted(ANCHORS)
    headings = sum(
        len(re.findall("^## ", text, re.M)) for name, text in PAGES.items() if name != "index"
    )
    assert headings == len(anchors)


@pytest.mark.parametrize("group", NAMES)
def test_every_name_has_one_example(group):
    names = [name for name, _ in examples(group)]
    assert sorted(names) == sorted(NAMES[group])


def test_a_section_includes_what_its_script_makes():
    made = {(script, f"{FOLDERS[group]}{name}".replace(" ", "-"))
            for group in NAMES for name, script in examples(group)}  # fmt: skip
    assert all(anchor == fragment for anchor, _, fragment in sections())
    assert {(script, fragment) for _, script, fragment in sections()} == made


def test_the_index_leads_to_every_section():
    links = re.findall(r"\]\((\w+)\.md#([\w-]+)\)", PAGES["index"])
    assert {anchor for _, anchor in links} == ANCHORS
    assert all(f"{{#{anchor}}}" in PAGES[page] for page, anchor in links)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_is_told_by_its_cause(kind):
    assert KINDS[kind].__doc__


def test_the_battery_has_figures_of_every_name():
    assert set(BATTERY["findings"]) == NAMES["finding"]
    assert set(BATTERY["states"]) == NAMES["state"]
    assert set(BATTERY["verdicts"]["scores"]) == NAMES["verdict"]
