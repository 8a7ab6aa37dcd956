"""The lesson in `notebooks/` runs from its first cell to its last."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

LESSON = Path(__file__).parents[1] / "notebooks" / "skip_connections.ipynb"
SCRIPT = Path(__file__).with_name("execute_notebook.py")
SHORT = """
EPOCHS = 1
HIDDEN = 4
CONVOLUTIONS = {"plain": 8, "resnet": 8, "densenet": 7}
"""


@pytest.fixture
def lesson():
    return nbformat.read(LESSON, as_version=4)


@pytest.fixture
def run(tmp_path):
    """Runs the cells in a kernel of its own; returns all that they printed."""

    def execute(lesson):
        nbformat.write(lesson, tmp_path / "lesson.ipynb")
        folders = "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"
        environment = os.environ | {name: str(tmp_path / name) for name in folders}
        command = [sys.executable, SCRIPT, "lesson.ipynb"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
        )
        assert done.returncode == 0, done.stderr
        return printed(nbformat.read(tmp_path / "lesson.ipynb", as_version=4))

    return execute


def code_cells(lesson):
    return [cell for cell in lesson.cells if cell.cell_type == "code"]


def printed(lesson):
    outputs = [output for cell in code_cells(lesson) for output in cell.outputs]
    return "\n".join(output.get("text", "") for output in outputs)


def parameters(lesson):
    (cell,) = [cell for cell in lesson.cells if "parameters" in cell.metadata.get("tags", [])]
    return cell


def test_the_lesson_is_valid_and_kept_without_outputs(lesson):
    nbformat.validate(lesson)
    assert lesson.metadata.kernelspec.name == "python3"
    for cell in code_cells(lesson):
        assert cell.outputs == []
        assert cell.execution_count is None


def test_each_question_has_an_answer(lesson):
    *text, answers = [cell.source for cell in lesson.cells if cell.cell_type == "markdown"]
    questions = "\n".join(text).count("**Question ")
    assert questions > 5
    for number in range(1, questions + 1):
        assert f"**Question {number}.**" in "\n".join(text)
        assert f"<summary>{number}. " in answers


def test_each_formula_is_closed(lesson):
    text = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    assert [line for line in text.splitlines() if line.count("$") % 2] == []
    formulas = re.findall(r"\$+([^$]+)\$+", text)
    assert len(formulas) > 5
    assert [each for each in formulas if each.count("{") != each.count("}")] == []


def test_the_lesson_runs_with_small_networks(lesson, run):
    names = [line.split(" = ")[0] for line in parameters(lesson).source.splitlines()]
    assert names == [line.split(" = ")[0] for line in SHORT.strip().splitlines()]
    parameters(lesson).source = SHORT
    text = run(lesson)
    assert "one update:                            1.0e-19" in text
    assert "changed:                               False" in text


@pytest.mark.slow
def test_the_lesson_shows_what_it_says(lesson, run):
    text = run(lesson)
    right = dict(re.findall(r"^([\w ]+): (\d+)% of the held-out", text, re.MULTILINE))
    assert int(right["plain"]) < 20
    assert int(right["addition"]) > 80
    assert int(right["concatenation"]) > 80
