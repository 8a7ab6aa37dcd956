"""`verbose=2`: what a notebook shows below the cell of a training."""

import sys

import numpy as np
import pytest
from test_analysis import write_run
from test_report import INFO

from keraskip.callbacks.book.showing import Showing, made_telling
from keraskip.callbacks.book.telling import Telling


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """IPython as a kernel has it, which shows all kinds of data."""
    interactiveshell = pytest.importorskip("IPython.core.interactiveshell")
    config = pytest.importorskip("traitlets.config")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    # IPython warns where another environment than its own is active.
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    kind = interactiveshell.InteractiveShell
    yield kind.instance(config=config.Config({"HistoryManager": {"enabled": False}}))
    kind.clear_instance()


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "fading", 10.0 ** (-9 + 0.4 * np.arange(20)), steps=30, info=INFO)


def shown(train):
    """The outputs of a cell that have an identity, in their order."""
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        train()
    return [output for output in captured.outputs if output.transient], captured.stdout


def test_one_display_is_redrawn_after_epochs_that_the_looks_choose(shell, folder, monkeypatch):
    monkeypatch.setattr("keraskip.callbacks.book.looks.SHARE", 0.0)
    telling = made_telling(2, False)

    def train(epochs=5):
        telling.begin(folder)
        telling.add(folder, {})
        for epoch in range(epochs):
            telling.end_epoch(folder, epoch, True)
            telling.print_waiting()
        telling.end(folder)

    outputs, text = shown(train)
    # After epochs 1, 2 and 4, and at the end.
    assert [output.update for output in outputs] == [False, True, True, True]
    assert len({output.transient["display_id"] for output in outputs}) == 1
    for part in ("<svg", ">fading<", "signal vanishing", "layer, steps "):
        assert part in outputs[-1].data["text/html"], part
    assert text.splitlines()[-1] == f"More: keraskip report {folder}"
    # Another cell goes on with the run, and has its own display.
    again, _ = shown(lambda: train(epochs=3))
    assert [output.update for output in again][:2] == [False, True]


def test_a_drawing_that_fails_is_one_warning_and_telling_goes_on(shell, folder, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("no such number")

    monkeypatch.setattr("keraskip.report.notebook.as_cell", fail)
    telling = made_telling(2, False)
    telling.begin(folder)
    telling.add(folder, {})
    with pytest.warns(UserWarning, match="no longer drawn, and goes on: ZeroDivisionError"):
        telling.end_epoch(folder, 0, True)
    outputs, text = shown(lambda: telling.end(folder))
    assert outputs == []
    assert "More: keraskip report" in text


def test_outside_of_a_notebook_2_is_1(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert type(made_telling(2, False)) is Telling


def test_in_a_terminal_ipython_2_is_1(shell):
    assert type(made_telling(2, False)) is Showing
    assert type(made_telling(1, False)) is Telling
    shell.display_formatter.active_types = ["text/plain"]
    assert type(made_telling(2, False)) is Telling
