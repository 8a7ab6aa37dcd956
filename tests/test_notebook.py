"""The cell magic, in a shell that has what the magic needs of IPython's."""

from types import SimpleNamespace

import pytest
import training_scripts as scripts

import keraskip


class Shell:
    """Runs cells like IPython: shows errors, and returns them."""

    def __init__(self):
        self.magics, self.variables, self.shown = {}, {}, []

    def register_magic_function(self, function, magic_kind, magic_name):
        self.magics[magic_kind, magic_name] = function

    def run_cell(self, cell):
        result = SimpleNamespace(error_before_exec=None, error_in_exec=None)
        try:
            exec(cell, self.variables)
        except Exception as error:
            self.shown.append(error)
            result.error_in_exec = error
        return result


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = SimpleNamespace(save=lambda path: path)
    monkeypatch.setattr("keraskip.report.comparison.compare", lambda *runs: page)
    shell = Shell()
    keraskip.load_ipython_extension(shell)
    shell.record = shell.magics["cell", "record"]
    return shell


def test_a_cell_is_recorded_and_its_variables_stay(shell, tmp_path, capsys):
    assert "--every N" in shell.record.__doc__
    shell.record("--every 2 --out 'my runs'", scripts.HEAD + 'model = network("mine")')
    assert "the cell called no `fit`" in capsys.readouterr().out
    shell.record("--every 2 --out 'my runs'", "history = model.fit(x, y, verbose=0)")
    *_, page = capsys.readouterr().out.splitlines()
    assert page == "my runs/report.html"
    assert list(shell.variables["history"].history) == ["loss"]
    run = keraskip.load_run(tmp_path / "my runs" / "1_mine")
    assert run.steps.tolist() == [0, 2, 4, 6]
    # The next cell, without the magic, is not recorded.
    shell.run_cell("model.fit(x, y, verbose=0)")
    assert [path.name for path in (tmp_path / "my runs").iterdir()] == ["1_mine"]


def test_an_error_of_a_cell_is_its_own_and_shown_once(shell):
    with pytest.raises(ZeroDivisionError) as raised:
        shell.record("", "1 / 0")
    assert shell.shown == [raised.value]
    assert raised.value._render_traceback_() == []


@pytest.mark.parametrize(
    "line", ["--every many", "--every 0", "--every -2", "--layers (", "--nothing", "--layers"]
)
def test_a_bad_option_is_refused_before_the_cell_runs(shell, line):
    with pytest.raises(ValueError, match="%%record: "):
        shell.record(line, "ran = 1")
    assert not shell.variables
