"""Names of runs and layers in all media: each is shown, and none does anything."""

import csv
import json
import re
import shutil
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from made_runs import classifier, falling, flat, run_of
from nasty import LONG, NAMES
from test_analysis import weight
from test_report import INFO
from typer.testing import CliRunner

import keraskip
from keraskip.callbacks.book.telling import Telling
from keraskip.callbacks.columns import STATISTICS
from keraskip.cli import app
from keraskip.cli.progress import progress_bars
from keraskip.cli.terminal import waiting
from keraskip.files import first_words
from keraskip.labels import FORMULA, in_csv, in_one_line, visible
from keraskip.report.charts import charts
from keraskip.report.keys import parameters
from keraskip.report.markdown import as_markdown
from keraskip.report.page import as_html
from keraskip.runs import RunWriter

ALL = [*NAMES.values(), LONG]
EPOCHS = [{"epoch": n, "steps": 150, "accuracy": 0.1, "val_accuracy": 0.1} for n in (0, 1)]


def named(name, layers, loss=None, **changes):
    """A run of this name, whose hidden layers have these names."""
    probes = [
        {"epoch": 1, "probe": probe, "layer": layer, "depth": 2, "value": value}
        for probe, value in (("signal", 0.5), ("time", [0.5, 1.0]))
        for layer in layers
    ]
    info = {
        **INFO,
        **classifier(),
        "versions": {"keras": name},
        "command": [name],
        "probes": probes,
    }
    loss = falling() if loss is None else loss
    run = run_of(loss, layers=len(layers) + 1, info=info, epochs=EPOCHS, **changes)
    # A frame of pandas cannot hold half a character, and `load_run` refuses it.
    known = [layer.encode("utf-8", "backslashreplace").decode() for layer in layers]
    weights = run.weights.assign(layer=[each for each in (*known, "out") for _ in range(2)])
    return replace(run, path=Path("run"), label=name, weights=weights)


def compared(names, each):
    """A run for each of the names, with several for its layers; some do not learn."""
    dead = {"grad_norm": np.repeat([1e-2, 0, 1e-2, 1e-2], 2), "grad_max": 1e-2}
    runs = []
    for place, name in enumerate(names):
        layers = [ALL[(each * place + number) % len(ALL)] for number in range(3)]
        ill = {"loss": flat(), **dead} if place % 3 else {}
        runs.append(named(name, layers, **ill))
    return keraskip.compare(*runs)


@pytest.fixture(scope="module")
def comparison():
    """All names, of a run or a layer; the names of runs are the ones that have broken something."""
    return compared(ALL[::4], 3)


def is_plain(text):
    """Whether a text is lines of characters that are seen, and that a file can hold."""
    kinds = {unicodedata.category(each) for each in text if each != "\n"}
    return not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_visible_name_is_a_line_of_characters_that_are_seen(name):
    shown = visible(name)
    assert is_plain(shown)
    assert "\n" not in shown
    assert visible(shown) == shown
    assert [each for each in shown if not each.isascii()] == [
        each for each in name if not each.isascii() and is_plain(each)
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("東京\u3000タワー", "東京 タワー"),
        ("courbe\xa0: perte\u202f!", "courbe : perte !"),
        ("می\u200cروم", "می\u200cروم"),
        ("क्\u200dष क्\u200cष", "क्\u200dष क्\u200cष"),
        ("a\u200cb", r"a\u200cb"),
        ("\u200cم\u200d", r"\u200c" + "م" + r"\u200d"),
        ("م\u200cb", "م" + r"\u200cb"),
    ],
)
def test_spaces_and_joiners_of_all_scripts_are_shown_where_they_belong(name, shown):
    assert visible(name) == shown
    assert visible(shown) == shown


def test_a_message_is_one_line():
    errors = [ValueError(name) for name in NAMES.values()]
    lines = [said(error) for said in (in_one_line, first_words) for error in errors]
    assert all(is_plain(line) and "\n" not in line for line in lines)
    assert "two lines" in lines


def test_terminal(comparison):
    for text in (str(comparison), comparison.table(), "\n".join(comparison.findings)):
        assert is_plain(text)
    assert len(comparison.table().splitlines()) >= len(comparison.runs) + 2


def test_brackets_are_no_markup_of_the_console():
    name = NAMES["markup of a console"]
    assert name in keraskip.compare(named(name, [name])).table()


def test_markdown_has_a_row_for_each_run_and_as_many_cells(comparison):
    text = as_markdown(comparison)
    assert is_plain(text)
    rows = [line for line in text.split("\n") if line.startswith("|")]
    cells = [re.findall(r"(?:[^|\\]|\\.)+", row) for row in rows]
    assert len(rows) == len(comparison.runs) + 2
    assert {len(row) for row in cells} == {len(comparison.columns)}
    names = [re.sub(r"\\(.)", r"\1", row[0]).strip() for row in cells[2:]]
    assert sorted(names) == sorted(run.name.strip() for run in comparison.runs)
    outside_of_code = re.sub(r"`[^`\n]+`", "", text)
    elements = re.findall(r"(?<!\\)<[^>]*>", outside_of_code)
    assert elements == ["<details>", "<summary>", "</summary>", "</details>"]


def test_csv_has_no_formula_and_numbers_stay_numbers(comparison, tmp_path):
    with comparison.save(tmp_path / "report.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == [in_csv(run.name) for run in comparison.runs]
    for row in rows:
        assert float(row["learning_start_value"]) > 0
        for cell in row.values():
            assert not cell.startswith(FORMULA) or re.fullmatch(r"-[\d.]+(e[-+]\d+)?", cell)
            assert is_plain(cell)


def test_json_says_what_it_was_given(comparison, tmp_path):
    text = comparison.save(tmp_path / "report.json").read_text("utf-8")
    assert [run["run"] for run in json.loads(text)["runs"]] == [r.name for r in comparison.runs]


class Page(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("show", [as_html, keraskip.Comparison._repr_html_])
def test_html_has_our_elements_only(comparison, show):
    text = show(comparison)
    page, usual = (
        Page(text),
        Page(show(keraskip.compare(named("a", "bc"), named("d", "ef", flat())))),
    )
    assert is_plain(text.partition('<script type="module">')[0])
    assert {tag for tag, _ in page.elements} - {tag for tag, _ in usual.elements} <= {"li", "ul"}
    assert len(page.of("script")) == len(usual.of("script"))
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
    boxes = page.of("input")[1:]
    assert [box["data-run"] for box in boxes] == (
        [r.name for r in comparison.runs] if boxes else []
    )


def test_a_picture_shows_the_names(comparison, tmp_path):
    tree = ElementTree.parse(comparison.save(tmp_path / "report.svg"))
    texts = {"".join(each.itertext()) for each in tree.iter() if each.tag.endswith("}text")}
    assert {run.name for run in comparison.runs if len(run.name) < 50} <= texts
    tags = {each.tag.rpartition("}")[2] for each in tree.iter()}
    assert not tags & {"script", "image", "foreignObject", "a"}
    for suffix, begin in ((".pdf", b"%PDF"), (".png", b"\x89PNG")):
        assert comparison.save(tmp_path / f"report{suffix}").read_bytes().startswith(begin)


def test_charts_have_names_in_their_data_and_parameters_only(comparison):
    """The same charts of runs with plain names differ in nothing else."""
    plain = keraskip.compare(
        *(replace(run, label=f"r{n}") for n, run in enumerate(comparison.runs))
    )
    assert [*_skeletons(comparison)] == [*_skeletons(plain)]
    names = {each["name"]: each["value"] for each in parameters(comparison.groups)}
    assert names["run_names"] == [run.name for run in comparison.runs]


def _skeletons(comparison):
    for name, chart in charts(comparison.groups).items():
        keys = {key for key in _keys(chart) if not key.isidentifier()}
        yield name, keys, json.dumps(_without_data(chart))


def _keys(part):
    if isinstance(part, dict):
        yield from part
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _keys(each)


def _without_data(part):
    if isinstance(part, dict):
        return {key: _without_data(each) for key, each in part.items() if key != "data"}
    return [*map(_without_data, part)] if isinstance(part, list) else part


CHROMIUM = shutil.which("chromium")


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_a_browser_shows_each_run_and_runs_nothing(tmp_path):
    from playwright.sync_api import sync_playwright

    comparison = compared(ALL, 1)
    file = comparison.save(tmp_path / "report.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
        page.set_default_timeout(600_000)
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-drawn='1']")
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        count = page.evaluate("document.querySelectorAll('[id^=chart-]').length")
        page.wait_for_selector(f"body[data-drawn='{count}']")
        assert complaints == []
        assert page.evaluate("window.ran") is None
        assert page.locator("tbody tr").count() == len(comparison.runs)
        shown = page.evaluate("Object.fromEntries(Object.entries(keraskipViews).map(" + ROWS)
        keys = {*range(len(comparison.runs))}
        for chart in ("backward", "kernel", "learning", "held_out", "frozen", "probes", "heat"):
            assert {*shown[chart]} == keys, chart
        layers = page.evaluate("keraskipViews.time.data('facet_domain').length")
        assert layers == len(ALL)
        for key in sorted(keys):
            box = page.locator("input[name=run]").nth(key)
            box.uncheck()
            page.wait_for_function("document.body.dataset.hidden === '1'")
            box.check()
            page.wait_for_function("document.body.dataset.hidden === '0'")
        assert complaints == []
        browser.close()


# The keys of the runs or groups in each chart, from the view that Vega made of it.
ROWS = """([name, view]) => [name, view.data(name === 'heat' ? 'facet_domain' : 'data_0').map(
    (row) => row.run_key ?? row.group_key)]))"""


# What no shell can hand over.
NO_ARGUMENTS = (NAMES["the end of a text"], NAMES["half a character"])


@pytest.mark.parametrize("name", [n for n in ALL if not n.isprintable() and n not in NO_ARGUMENTS])
def test_an_argument_that_is_wrong_is_repeated_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in (["report", f"no/{name}"], ["compare", f"--study=no{name}"], ["list", name]):
        shown = CliRunner().invoke(app, arguments)
        assert shown.exit_code == 2, shown.output
        assert is_plain(shown.output)
        assert shown.output.count("\n") == 1
        assert shown.output.startswith("keraskip: ")


def test_what_commands_show_meanwhile_is_no_markup(capsys):
    with waiting(NAMES["markup of a console"]) as status:
        assert status.status.plain == NAMES["markup of a console"]
    trial = SimpleNamespace(name="[/] [red]", epochs=2)
    with progress_bars([trial]) as progress:
        progress(0, trial, 1)
    assert "[/] [red]" in capsys.readouterr().err


def test_the_recorder_tells_of_a_layer_in_one_line(tmp_path, capsys):
    odd = NAMES["a forged line"] + NAMES["a colour of the terminal"]
    weights = [{**weight(depth, "kernel"), "layer": f"{odd}{depth}"} for depth in range(1, 7)]
    writer = RunWriter(tmp_path, classifier(), weights, STATISTICS, ("loss",))
    values = np.zeros((300, 6, len(STATISTICS)), np.float32)
    values[:, :, [STATISTICS.index(name) for name in ("weight_norm", "update_norm")]] = [1, 1e-3]
    for name in "grad_norm", "grad_max":
        # The signal ends at the third layer.
        values[:, :, STATISTICS.index(name)] = [0, 0, 1, 1, 1, 1]
    writer.append(np.arange(300), values, flat().astype("float32")[:, None])
    writer.add_epoch({"epoch": 0, "steps": 300})
    telling = Telling(is_loud=True, stops=False)
    telling.add(tmp_path, {})
    telling.end_epoch(tmp_path, 0, may_stop=False)
    telling.end(tmp_path)
    told = capsys.readouterr().out
    assert "a\\rkeraskip: all is well\\x1b[31mred\\x1b[2J" in told
    assert is_plain(told)
    assert all(not line.startswith("keraskip: all is well") for line in told.splitlines())
