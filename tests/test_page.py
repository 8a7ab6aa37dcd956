"""The report in a browser: its controls, its charts, and who can read it."""

import json
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from made_runs import classifier, falling, flat, run_of
from test_analysis import write_run
from test_report import INFO, NASTY

import keraskip
from keraskip.report.looks import COLOURS
from keraskip.report.page import as_html

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
# Twenty layers, whose signal loses an order every ten steps.
HEIGHTS = -2 + 0.05 * np.arange(20) - 0.1 * np.arange(40)[:, None]
# As in a step that loss scaling skips.
HEIGHTS[3] = np.inf


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    runs = [
        write_run(folder / name, 10.0 ** (HEIGHTS + shift), steps=40, info=INFO, epochs=EPOCHS)
        for name, shift in (("steady", 0), (NASTY, -1), ("long" * 50, -2))
    ]
    for file in folder.glob("*/run.json"):
        info = json.loads(file.read_text())
        for weight in info["weights"]:
            weight["layer"] += NASTY
        info["probes"] = PROBES
        file.write_text(json.dumps(info))
    return keraskip.compare(*runs).save(folder / "report.html")


PROBES = [
    {"epoch": 0, "probe": "signal", "layer": f"layer{NASTY}", "depth": 1, "value": 0.5},
    {"epoch": 0, "probe": "time", "layer": f"layer{NASTY}", "depth": 1, "value": [0.1, "nan", 1.0]},
]
CHARTS = "first learning held_out backward kernel heat frozen ratio probes time".split()
EPOCHS = [{"epoch": n, "steps": 20, "accuracy": 0.1, "val_accuracy": 0.1} for n in range(2)]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[1280, 400])
def page(browser, report, request):
    """The open report, with its requests and its complaints; each test leaves it as it was."""
    width = request.param
    page = browser.new_page(viewport={"width": width, "height": 900})
    # Milliseconds; only a page that is broken takes as long, however busy the machine is.
    page.set_default_timeout(600_000)
    page.requests, page.complaints = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.goto(report.as_uri())
    page.wait_for_selector("body[data-drawn='1']")
    page.first_screen = page.evaluate(
        "[document.documentElement.scrollWidth, ...[...document.querySelectorAll('h1, .card')]"
        ".map((part) => part.getBoundingClientRect().bottom)]"
    )
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    page.wait_for_selector(f"body[data-drawn='{len(CHARTS)}']")
    yield page
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    page.close()


def drawn(page, chart):
    """The rows that a chart draws, from the view that Vega made of it."""
    data = {"heat": "facet_domain", "first": "data_1"}.get(chart, "data_0")
    return json.loads(page.evaluate(f"JSON.stringify(keraskipViews.{chart}.data('{data}'))"))


def move_slider(page, index):
    page.locator("#moment").evaluate(
        "(slider, index) => { slider.value = index; slider.dispatchEvent(new Event('input')) }",
        index,
    )
    page.wait_for_function("index => document.body.dataset.moment === String(index)", arg=index)


WIDE = pytest.mark.parametrize("page", [1280], indirect=True)


def test_all_charts_are_drawn_and_nothing_is_wider_than_the_page(page):
    assert page.evaluate("Object.keys(keraskipViews).sort()") == sorted(CHARTS)
    assert page.locator("canvas").count() == len(CHARTS)
    assert page.locator("tbody tr").count() == 3
    assert page.locator("img").count() == 0
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]


def test_answer_chart_and_first_card_are_on_the_first_screen(page):
    width, headline, *cards = page.first_screen
    assert width <= page.viewport_size["width"]
    assert headline < 500
    assert cards[0] < page.viewport_size["height"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The page of two pairs of twins: the plain ones fail, and get the longest of remedies."""
    heights = 10.0 ** (-8 + 0.4 * np.arange(20)).repeat(2)
    chance = [{"epoch": 0, "steps": 300, "accuracy": 0.1, "val_accuracy": 0.1}]
    runs = []
    for name, family, seed in product(("20", "56"), ("plain", "resnet"), (0, 1)):
        info = {**INFO, **classifier(), "trial": {"family": family, "depth": int(name)}}
        ill = {"grad_norm": heights, "grad_max": heights}
        loss, changes = (flat(), ill) if family == "plain" else (falling(), {})
        run = run_of(loss, layers=20, info=info, epochs=chance, **changes)
        runs.append(replace(run, path=Path(f"{family}{name}_seed{seed}")))
    comparison = keraskip.compare(*runs)
    for diagnosis in comparison.diagnoses:
        diagnosis[:1] = [replace(each, remedy=LONGEST) for each in diagnosis[:1]]
    return comparison.save(tmp_path_factory.mktemp("study") / "report.html")


# Of `keraskip.analysis.causes`.
LONGEST = (
    "`model = keraskip.add_skips(model)`; if that does not help, `x = x + "
    "keras.layers.BatchNormalization(momentum=0.9)(layer(x))` around each hidden layer, with "
    '`activation="relu"` and `kernel_initializer="he_normal"` in it'
)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_card_of_a_study_is_whole_on_the_first_screen(browser, study, width, height):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(600_000)
    page.goto(study.as_uri())
    page.wait_for_selector("body[data-drawn='1']")
    assert page.locator("h1").text_content().startswith("Skip connections kept the gradient")
    card = page.locator(".card").first
    assert "add_skips" in card.text_content()
    box = card.bounding_box()
    assert box["y"] + box["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@WIDE
def test_the_slider_moves_the_profiles(page):
    last = int(page.locator("#moment").get_attribute("max"))
    move_slider(page, 0)
    first = {row["depth"]: row["rms"] for row in drawn(page, "backward") if row["run"] == "steady"}
    move_slider(page, last)
    after = {row["depth"]: row["rms"] for row in drawn(page, "backward") if row["run"] == "steady"}
    assert len(first) == len(after) == 19
    assert page.locator("#steps").text_content().endswith("39")
    ratios = np.array([after[depth] / first[depth] for depth in first])
    np.testing.assert_allclose(np.log10(ratios), -3.6, atol=0.3)


@WIDE
def test_a_run_that_is_toggled_is_gone_everywhere(page):
    charts = page.evaluate("Object.keys(keraskipViews)")
    assert len(charts) == len(CHARTS)
    for hidden, left in ((True, {0, 2}), (False, {0, 1, 2})):
        page.locator("input[name=run]").nth(1).set_checked(not hidden)
        page.wait_for_function(f"document.body.dataset.hidden === '{int(hidden)}'")
        for chart in charts:
            keys = {row.get("run_key", row.get("group_key")) for row in drawn(page, chart)}
            assert keys == left


@pytest.mark.slow
@WIDE
def test_hover_names_the_layer(page):
    canvas = page.locator("#chart-backward canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    tooltip = page.locator("#vg-tooltip-element.visible")
    for across in np.linspace(0.15, 0.95, 40):
        for down in np.linspace(0.05, 0.8, 40):
            page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            if tooltip.count():
                assert NASTY in tooltip.text_content()
                assert tooltip.locator("img").count() == 0
                return
    pytest.fail("nothing to hover over")


@pytest.mark.parametrize("page", [1280, pytest.param(400, marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_keeps_anyone_from_reading(page, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"document.body.dataset.drawn === '{len(CHARTS)}'")
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in violations] == []


@WIDE
def test_the_slider_works_by_keyboard(page):
    move_slider(page, 0)
    page.locator("#moment").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.body.dataset.moment === '1'")
    assert page.locator("#moment").get_attribute("aria-valuetext") == "steps 1"


def test_a_page_that_goes_on_loads_itself_anew_and_keeps_what_was_set(browser, report, tmp_path):
    comparison = keraskip.compare(report.parent / "steady")
    live, ended = tmp_path / "live.html", tmp_path / "ended.html"
    going_on = as_html(comparison, reload_after=600)
    live.write_text(going_on)
    page = browser.new_page(viewport={"width": 1280, "height": 600})
    page.set_default_timeout(600_000)
    page.goto(live.as_uri())
    page.wait_for_selector("body[data-reload-after][data-drawn='1']")
    page.evaluate("document.querySelector('#runs').open = true")
    page.locator("input[name=run]").set_checked(False)
    move_slider(page, 2)
    page.locator("#method summary").focus()
    page.reload()
    page.wait_for_selector("body[data-drawn='1'][data-moment='2'][data-hidden='1']")
    assert page.locator("#runs").get_attribute("open") is not None
    assert page.locator("#method").get_attribute("open") is None
    assert page.evaluate("document.activeElement.closest('details').id") == "method"
    # By itself it does so until a page takes its place that does not.
    live.write_text(going_on.replace('data-reload-after="600"', 'data-reload-after="1"'))
    # Not until it is loaded: on a busy machine that takes longer than a second.
    page.reload(wait_until="commit")
    ended.write_text(going_on.replace(' data-reload-after="600"', ""))
    ended.replace(live)
    page.wait_for_selector("body:not([data-reload-after])[data-drawn='1'][data-moment='2']")
    page.close()


def test_all_parts_are_printed_in_the_colours_of_paper(browser, report):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page.set_default_timeout(600_000)
    page.goto(report.as_uri())
    page.wait_for_selector("body[data-drawn='1']")
    page.evaluate("document.querySelector('#method').open = true")
    backgrounds = "Object.values(keraskipViews).map((view) => view.background())"
    assert page.evaluate(backgrounds) == ["#161616"]
    first_colour = "keraskipViews.first.scale('color').range()[0]"
    assert page.evaluate(first_colour) == "#f27a1f"
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_selector(f"body[data-drawn='{len(CHARTS)}']")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate(backgrounds) == ["#ffffff"] * len(CHARTS)
    assert page.evaluate(first_colour) == COLOURS[0]
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.wait_for_selector("body[data-drawn='1']")
    assert page.locator("details[open]").get_attribute("id") == "method"
    assert page.evaluate(backgrounds) == ["#161616"]
    page.close()
