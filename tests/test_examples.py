"""Every example runs and says what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert {file.name for file in EXAMPLES.glob("*.py")} == {"compare_two_networks.py", "serve.py"}


@pytest.mark.slow
def test_compare_two_networks(tmp_path):
    printed = run("compare_two_networks.py", tmp_path)
    verdicts = {line.split()[0]: line.split()[1] for line in printed.splitlines() if "20 " in line}
    assert verdicts == {"plain20": "vanishing", "resnet20": "healthy"}
    assert (tmp_path / "report.html").stat().st_size > 500_000
