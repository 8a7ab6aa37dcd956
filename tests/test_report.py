"""The report as a reader gets it: text, pictures, and the page in a browser."""

import re
import shutil

import numpy as np
import pytest
from test_analysis import write_run

import keraskip

CHROMIUM = shutil.which("chromium")
NASTY = '<img src=x onerror=alert(1)> & "quoted" [bold]名'


@pytest.fixture
def runs(tmp_path):
    depth = np.arange(20)
    info = {
        "started": "2026-01-01T00:00:00+00:00",
        "command": ["train.py"],
        "versions": {"keras": "3"},
        "device": {"processor": "a processor", "cpus": 2, "runs_on": "cpu:0"},
        "git": None,
        "classes": 10,
        "train_images": 1437,
    }
    epochs = [{"epoch": n, "steps": 10, "accuracy": 0.1, "val_accuracy": 0.1} for n in range(2)]
    heights = {"fading": -9 + 0.4 * depth, NASTY: -2 + 0.01 * depth}
    return [
        write_run(tmp_path / name, 10.0**height, info=info, epochs=epochs)
        for name, height in heights.items()
    ]


def test_table_lines_up(runs):
    lines = keraskip.compare(*runs).table().splitlines()
    assert [line.split()[0] for line in lines[:3:2]] == ["run", "fading"]
    assert lines[2].index("vanishing") == lines[0].index("verdict")
    assert any("[bold]" in line for line in lines)


def test_findings_carry_their_numbers(runs):
    finding = keraskip.compare(runs[0]).findings[0]
    assert re.search(r"fading is vanishing: .*shrinks 1.6e\+07-fold", finding)
    assert finding.endswith("the accuracy stays at chance (0.10, chance 0.10).")


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<svg"), (".pdf", b"%PDF")]
)
def test_pictures(runs, tmp_path, suffix, start):
    path = keraskip.compare(*runs).save(tmp_path / f"report{suffix}")
    assert path.read_bytes().startswith(start)


def test_another_suffix_is_refused(runs, tmp_path):
    with pytest.raises(ValueError, match=r"report\.docx"):
        keraskip.compare(*runs).save(tmp_path / "report.docx")


def test_runs_of_one_name_are_refused(runs):
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
def page(runs, tmp_path):
    """The report in a browser, with what it asked for and complained about."""
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    path = keraskip.compare(*runs).save(tmp_path / "report.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.goto(path.as_uri())
        page.wait_for_selector("#charts canvas, #charts svg")
        yield page
        browser.close()


def test_the_page_draws_its_charts_and_asks_for_nothing(page):
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    assert page.complaints == []
    box = page.locator("#charts canvas, #charts svg").first.bounding_box()
    assert box["width"] > 900
    assert box["height"] > 500
    assert page.locator("tbody tr").count() == 2
    assert page.locator("img").count() == 0
