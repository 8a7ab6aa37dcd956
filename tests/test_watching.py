"""The page of trainings that go on."""

import json

import numpy as np
from test_analysis import write_run
from test_report import INFO

from keraskip.report import watching


def set_status(run, status):
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**info, "status": status}))


def begun(folder):
    write_run(folder, np.ones(6), info=INFO)
    set_status(folder, "running")
    return folder


def test_the_page_is_written_when_there_is_news_until_all_runs_have_ended(tmp_path, monkeypatch):
    run, out, written = begun(tmp_path / "one"), tmp_path / "page.html", []
    # What happens between two looks: nothing, another run begins, and both end.
    news = [
        lambda: None,
        lambda: begun(tmp_path / "two"),
        lambda: [set_status(folder, "completed") for folder in (run, tmp_path / "two")],
    ]
    monkeypatch.setattr(watching.time, "sleep", lambda seconds: news.pop(0)())

    def note(comparison):
        is_live = "data-reload-after=" in out.read_text()
        written.append(([run.name for run in comparison.runs], is_live))

    ended = watching.watch([tmp_path], out, note)
    both = ["one", "two"]
    assert written == [(["one"], True), (both, True), (both, False)]
    assert [run.info["status"] for run in ended.runs] == ["completed", "completed"]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["page.html"]
