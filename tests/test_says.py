"""Everything that the package can say has a section, an example and figures on the site."""

import inspect
import json
import re
from pathlib import Path

import pytest

from keraskip.analysis.causes import CAUSES, LAST_RESORTS
from keraskip.analysis.evidence import TINY
from keraskip.analysis.learning import FEWEST_WHILE_FALLING, LEARNING_RULES
from keraskip.analysis.losses import SOME_FALL
from keraskip.analysis.verdicts import RULES
from keraskip.analysis.windows import FEWEST_STEPS, WINDOW

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


# Limits of the remedies, which name a rate or a batch size, and of no rule.
OF_REMEDIES = {
    "frozen": {"FASTER", "MUCH_FASTER", "MUCH", "HIGHEST_RATE"},
    "inputs": {"MANY_STEPS", "LARGE_KERNEL"},
    "silent": {"FEW_SIGMOIDS"},
    "dropout": {"USUAL"},
}


def functions_of(cause):
    """The functions of its module that a cause is made of, without other causes that it asks."""
    found, new = set(), {cause}
    while new:
        found |= new
        read = [each.__globals__.get(name) for each in new for name in names_in(each.__code__)]
        kept = [cell.cell_contents for each in new for cell in each.__closure__ or ()]
        called = filter(inspect.isfunction, [*read, *kept])
        new = {each for each in called if each.__module__ == cause.__module__}
        new -= found | {*KINDS.values()}
    return found


def names_in(code):
    """The names that code reads, in comprehensions, too."""
    inner = [each for each in code.co_consts if hasattr(each, "co_names")]
    return {*code.co_names}.union(*map(names_in, inner))


def limits_of(cause):
    """The constants that decide whether a cause is named, by their names."""
    module = cause.__module__.rsplit(".", 1)[-1]
    read = {
        name: each.__globals__[name]
        for each in functions_of(cause)
        for name in names_in(each.__code__)
        if name.isupper() and name in each.__globals__
    }
    return {
        name: value
        for name, value in read.items()
        if isinstance(value, int | float) and name not in OF_REMEDIES.get(module, ())
    }


def numbers_in(rule):
    """The numbers that a rule tells; a percentage is a share."""
    found = re.findall(r"(\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)( ?%)?", rule)
    return [float(number.replace(",", "")) / (100 if share else 1) for number, share in found]


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_tells_every_limit_of_its_cause(kind):
    limits = limits_of(KINDS[kind])
    told = numbers_in(KINDS[kind].__doc__)
    untold = {name: value for name, value in limits.items() if pytest.approx(value) not in told}
    assert not untold
    assert not limits or re.search("convention|battery|IEEE 754|(19|20)\\d\\d", KINDS[kind].__doc__)


def test_the_words_of_the_rules_tell_their_limits():
    told = numbers_in(PAGES["index"].partition("{#words}")[2].partition("\n## ")[0])
    limits = [SOME_FALL, FEWEST_WHILE_FALLING, WINDOW, FEWEST_STEPS, TINY]
    assert [limit for limit in limits if pytest.approx(limit) not in told] == []


def test_limits_are_found():
    assert {"HIGH_RATIO", "FIRST_STEPS", "JUMP"} <= set(limits_of(KINDS["learning rate too high"]))
    assert set(limits_of(KINDS["too much dropout"])) == {"HIGHEST_RATE"}


def test_the_battery_has_figures_of_every_name():
    assert set(BATTERY["findings"]) == NAMES["finding"]
    assert set(BATTERY["states"]) == NAMES["state"]
    assert set(BATTERY["verdicts"]["scores"]) == NAMES["verdict"]
