"""The page of trainings that go on."""

import json

import numpy as np
import pytest
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


@pytest.fixture
def looks(monkeypatch):
    """The pages and the runs in them at each look, and what happens in between."""

    class Looks:
        pages, news = [], []

        def sleep(self, seconds):
            self.news.pop(0)()

    looks = Looks()
    looks.pages, looks.news = [], []
    write = watching.replace_file

    def note(out, data):
        write(out, data)
        page = data.decode("utf-8")
        names = [name for name in ("one", "two") if f"<h2>{name}" in page]
        looks.pages.append((names, "data-reload-after=" in page))

    monkeypatch.setattr(watching, "replace_file", note)
    monkeypatch.setattr(watching.time, "sleep", looks.sleep)
    monkeypatch.setattr(watching, "LAST_LOOKS", 1)
    return looks


def test_the_page_follows_runs_that_end_and_begin(tmp_path, looks):
    first, second, out = tmp_path / "one", tmp_path / "two", tmp_path / "page.html"
    begun(first)
    looks.news = [
        lambda: set_status(first, "finished"),
        # Between two networks of a study no run goes on.
        lambda: begun(second),
        lambda: set_status(second, "finished"),
        lambda: None,
    ]
    ended, _ = watching.watch([tmp_path], out)
    both = ["one", "two"]
    live = [(["one"], True), (["one"], True), (both, True), (both, True)]
    assert looks.pages == [*live, (both, False)]
    assert [run.name for run in ended.runs] == both
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["page.html"]


def test_a_run_that_was_killed_is_not_waited_for(tmp_path, looks, monkeypatch):
    run = begun(tmp_path / "one")
    monkeypatch.setattr(watching, "DEAD_AFTER", 0)
    watching.watch([run], tmp_path / "page.html")
    assert looks.pages == [(["one"], True), (["one"], False)]


def test_ctrl_c_leaves_a_page_that_stays(tmp_path, looks):
    def press():
        raise KeyboardInterrupt

    looks.news = [press]
    with pytest.raises(KeyboardInterrupt):
        watching.watch([begun(tmp_path / "one")], tmp_path / "page.html")
    assert looks.pages == [(["one"], True), (["one"], False)]


def test_a_run_that_is_not_there_yet_is_waited_for(tmp_path, looks):
    run, out = tmp_path / "study" / "one", tmp_path / "page.html"
    looks.news = [
        lambda: run.parent.mkdir(),
        lambda: begun(run),
        lambda: set_status(run, "finished"),
    ]
    ended, _ = watching.watch([run], out)
    assert looks.news == []
    assert [pages for pages, _ in looks.pages] == [["one"], ["one"], ["one"]]
    assert [each.name for each in ended.runs] == ["one"]


def test_a_damaged_run_is_left_out_and_told(tmp_path, looks):
    run, damaged = begun(tmp_path / "one"), begun(tmp_path / "two")
    (damaged / "run.json").write_text("[")
    looks.news = [lambda: set_status(run, "finished"), lambda: None]
    ended, (reason,) = watching.watch([tmp_path], tmp_path / "page.html")
    assert [each.name for each in ended.runs] == ["one"]
    assert "run.json is damaged" in reason


def test_a_run_that_begins_anew_has_no_files_for_a_moment(tmp_path, looks):
    run = begun(tmp_path / "one")
    looks.news = [
        lambda: (run / "steps.arrow").rename(tmp_path / "steps"),
        lambda: (tmp_path / "steps").rename(run / "steps.arrow"),
        lambda: set_status(run, "finished"),
    ]
    watching.watch([run], tmp_path / "page.html")
    assert looks.news == []


def test_a_file_is_no_run_to_wait_for(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError, match=r"A run is a folder. Received: .*file"):
        watching.watch([file], tmp_path / "page.html")
