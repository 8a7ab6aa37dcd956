"""The report as a reader gets it: text, pictures, and the page in a browser."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import classifier, falling, flat, run_of, with_optimizer
from test_analysis import write_run

import keraskip
from keraskip.analysis.verdicts import RULES

NASTY = '<img src=x onerror=alert(1)> & "quoted" [bold]名'


INFO = {
    "started": "2026-01-01T00:00:00+00:00",
    "command": ["train.py"],
    "versions": {"keras": "3"},
    "device": {"processor": "a processor", "cpus": 2, "runs_on": "cpu:0"},
    "git": None,
    "classes": 10,
    "train_images": 1437,
}


@pytest.fixture
def runs(tmp_path):
    depth = np.arange(20)
    epochs = [{"epoch": n, "steps": 10, "accuracy": 0.1, "val_accuracy": 0.1} for n in range(2)]
    heights = {"fading": -9 + 0.4 * depth, NASTY: -2 + 0.01 * depth}
    return [
        write_run(tmp_path / name, 10.0**height, info=INFO, epochs=epochs)
        for name, height in heights.items()
    ]


def test_table_lines_up(runs):
    lines = keraskip.compare(*runs).table().splitlines()
    assert [line.split()[0] for line in lines[:3:2]] == ["run", "fading"]
    assert lines[2].index("vanishing") == lines[0].index("verdict")
    assert any("[bold]" in line for line in lines)


def test_findings_carry_their_numbers(runs):
    finding = keraskip.compare(runs[0]).findings[0]
    assert re.search(r"fading is vanishing: .*shrinks 16,000,000-fold", finding)
    assert finding.endswith("The accuracy stays at chance (0.10, chance 0.10).")


def test_what_happens_in_step_0_alone_is_said(tmp_path):
    depth = np.arange(20)
    heights = np.tile(-2 + 0.01 * depth, (40, 1))
    heights[0] = 3 - 0.3 * depth
    run = write_run(tmp_path / "normed", 10.0**heights, steps=40, info=INFO)
    finding = keraskip.compare(run).findings[0]
    assert "normed is healthy" in finding
    assert re.search(r"in the first step alone it grows 250,000-fold", finding)


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".png", b"\x89PNG"),
        # The width of pictures is shown by this one.
        pytest.param(".svg", b"<svg", marks=pytest.mark.slow),
        pytest.param(".pdf", b"%PDF", marks=pytest.mark.slow),
    ],
)
def test_pictures(runs, tmp_path, suffix, start):
    path = keraskip.compare(*runs).save(tmp_path / f"report{suffix}")
    assert path.read_bytes().startswith(start)


def test_json_has_the_numbers_and_where_they_come_from(runs, tmp_path):
    comparison = keraskip.compare(*runs)
    saved = json.loads(comparison.save(tmp_path / "report.json").read_text())
    assert saved["schema_version"] == 2
    fading = saved["runs"][0]
    assert (fading["run"], fading["verdict"]) == ("fading", "vanishing")
    assert fading["attenuation"]["value"] == comparison.verdicts[0].attenuation.value
    assert fading["provenance"]["command"] == ["train.py"]
    assert saved["effects"][0]["orders"]["low"] > 0
    assert saved["rules"] == RULES


def test_csv_is_one_line_a_run(runs, tmp_path):
    comparison = keraskip.compare(*runs)
    frame = pd.read_csv(comparison.save(tmp_path / "report.csv"))
    assert frame["run"].tolist() == ["fading", NASTY]
    assert frame["attenuation_value"][0] == pytest.approx(comparison.verdicts[0].attenuation.value)


def test_markdown_takes_names_as_text(runs, tmp_path):
    lines = keraskip.compare(*runs).save(tmp_path / "report.md").read_text().splitlines()
    assert lines[0].startswith("**Neither network can be judged yet.** ")
    assert any(line.startswith("- fading is vanishing") for line in lines)
    assert lines[-1] == "keras 3"
    table = [line for line in lines if line.startswith("|")]
    assert [line.count("|") for line in table] == [9] * 4
    assert r"\<img src=x" in table[3]


def test_markdown_has_the_remedy_as_code(failing, tmp_path):
    text = keraskip.compare(failing).save(tmp_path / "report.md").read_text()
    assert text.startswith("**run does not learn: its updates change nothing.** Frozen")
    assert "\n**Change:** `optimizer = keras.optimizers.SGD(learning_rate=" in text


@pytest.mark.parametrize(
    ("width", "wanted"), [("column", 89), pytest.param("text", 183, marks=pytest.mark.slow)]
)
def test_the_width_of_pictures_is_that_of_the_paper(runs, tmp_path, width, wanted):
    path = keraskip.compare(*runs).save(tmp_path / "report.svg", width=width)
    found = re.match(r'<svg[^>]* width="([\d.]+)mm"', path.read_text())
    assert float(found[1]) == pytest.approx(wanted, abs=0.5)
    sizes = re.findall(r'font-size="([\d.]+)px"', path.read_text())
    assert min(map(float, sizes)) == 7


def test_an_unknown_width_is_refused(runs, tmp_path):
    comparison = keraskip.compare(*runs)
    with pytest.raises(ValueError, match="Received: width='wide'"):
        comparison.save(tmp_path / "report.svg", width="wide")


def test_a_notebook_shows_findings_and_table(runs):
    shown = keraskip.compare(*runs)._repr_html_()
    assert "fading is vanishing" in shown
    assert "<img src=x" not in shown


def test_another_suffix_is_refused(runs, tmp_path):
    with pytest.raises(ValueError, match=r"report\.docx"):
        keraskip.compare(*runs).save(tmp_path / "report.docx")


def test_runs_of_one_folder_name_are_told_apart_by_their_paths(tmp_path):
    folders = [tmp_path / where / "run" for where in ("first", "second/try")]
    runs = [write_run(folder, np.ones(6)) for folder in (*folders, tmp_path / "other")]
    comparison = keraskip.compare(*runs)
    assert [run.name for run in comparison.runs] == ["first/run", "second/try/run", "other"]
    assert [group.label for group in comparison.groups] == [run.name for run in comparison.runs]


def test_a_run_that_is_given_twice_is_refused(runs):
    with pytest.raises(ValueError, match="name of its own"):
        keraskip.compare(runs[0], runs[0])


def test_names_are_text_in_the_page(runs, tmp_path):
    page = keraskip.compare(*runs).save(tmp_path / "report.html").read_text()
    assert "<img src=x" not in page


def test_a_run_without_steps_can_be_reported(tmp_path, runs):
    info = keraskip.load_run(runs[0]).info
    empty = write_run(tmp_path / "empty", np.ones(20), steps=0, info=info)
    comparison = keraskip.compare(empty)
    assert "no step was recorded" in comparison.findings[0]
    assert comparison.save(tmp_path / "report.html").stat().st_size > 500_000


@pytest.fixture
def failing():
    info = {**INFO, **with_optimizer(classifier(), learning_rate=0.0)}
    return run_of(flat(), info=info, layers=20, learning_rate=0.0, frozen=1.0)


def test_a_diagnosis_is_everywhere(failing, tmp_path):
    comparison = keraskip.compare(failing)
    kinds = [finding.kind for finding in comparison.diagnoses[0]]
    assert kinds[0] == "learning rate 0"
    assert comparison.table().splitlines()[2].split()[1:3] == ["healthy", "frozen"]
    assert "It is frozen (the loss goes from 2.32 to 2.3, a constant" in comparison.findings[0]
    assert "run: Frozen: updates change nothing" in comparison.findings[1]
    for name in ("report.md", "report.html"):
        assert "Frozen: updates change nothing" in comparison.save(tmp_path / name).read_text()
    assert "What is wrong, and what to change" in comparison._repr_html_()
    saved = json.loads(comparison.save(tmp_path / "report.json").read_text())
    run = saved["runs"][0]
    assert run["learning"]["state"] == "frozen"
    assert run["learning"]["end"]["low"] < run["learning"]["end"]["value"]
    assert [finding["kind"] for finding in run["diagnosis"]] == kinds
    frame = pd.read_csv(comparison.save(tmp_path / "report.csv"))
    assert frame["learning_state"][0] == "frozen"
    assert frame["findings"][0].split("; ") == kinds
    assert "keras.optimizers.SGD" in frame["remedy"][0]


def test_a_network_that_learns_has_no_finding_and_says_so(tmp_path):
    comparison = keraskip.compare(run_of(falling(), info={**INFO, **classifier()}, layers=20))
    assert comparison.diagnoses == [[]]
    assert "It learns (the loss goes from 2.31 to 0.395" in comparison.findings[0]
    assert "What is wrong" not in comparison._repr_html_()


def test_seeds_that_differ_in_learning_are_counted(failing):
    learns = run_of(falling(), info=failing.info, layers=20)
    runs = [replace(failing, path=Path("net_seed0")), replace(learns, path=Path("net_seed1"))]
    assert "Of 2 seeds, 1 frozen, 1 learning" in keraskip.compare(*runs).findings[0]
