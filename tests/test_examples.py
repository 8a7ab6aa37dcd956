"""Every example runs and says what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import keraskip

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(example, *arguments):
    return subprocess.run(
        [sys.executable, EXAMPLES / example, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ).stdout


def test_all_examples_are_tested():
    assert {file.name for file in EXAMPLES.glob("*.py")} == {
        "compare_two_networks.py",
        "cure_your_own_model.py",
        "serve.py",
    }


@pytest.mark.slow
def test_compare_two_networks(tmp_path):
    printed = run("compare_two_networks.py", tmp_path)
    verdicts = {line.split()[0]: line.split()[1] for line in printed.splitlines() if "20 " in line}
    assert verdicts == {"plain20": "vanishing", "resnet20": "healthy"}
    assert (tmp_path / "report.html").stat().st_size > 500_000


@pytest.mark.slow
def test_cure_your_own_model(tmp_path):
    printed = run("cure_your_own_model.py", tmp_path)
    assert "Skips in 'sequential': 10" in printed
    runs = [keraskip.load_run(tmp_path / name) for name in ("plain", "with_skips")]
    plain, with_skips = keraskip.compare(*runs).verdicts
    assert (plain.verdict, with_skips.verdict) == ("vanishing", "healthy")
    last = [run.epochs["accuracy"].iloc[-1] for run in runs]
    assert last[0] < 0.2
    assert last[1] > 0.9
