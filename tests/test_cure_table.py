"""The command `tests/benchmarks/cures.py`: its table is whole and goes on where it stopped."""

import sys
from argparse import Namespace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "benchmarks"))

import cures
from cure_networks import NETWORKS

PAGE = Path(__file__).parents[1] / "docs" / "cure.md"


def made_row(name, kind, seed, accuracy=0.9, orders=1.0, verdict="healthy"):
    return {
        "name": name, "kind": kind, "seed": seed, "epochs": 8, "accuracy": accuracy,
        "orders": orders, "verdict": verdict, "cpu_s": 1.0,
    }  # fmt: skip


def test_there_are_eight_networks_and_some_are_not_cured():
    assert len(NETWORKS) == 8
    assert sum(not any(network.expected) for network in NETWORKS.values()) >= 2


def test_the_page_has_a_row_for_each_network():
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in NETWORKS if f"| {name} |" not in text] == []


def test_a_row_has_mean_and_range_and_the_verdict_where_there_are_no_orders():
    rows = [made_row("net", kind, seed, accuracy=0.1) for kind in cures.KINDS for seed in (0, 1)]
    rows[0]["accuracy"], rows[0]["orders"] = 0.2, 2.0
    rows[2] |= {"orders": None, "verdict": "diverged"}
    rows[4]["accuracy"] = rows[5]["accuracy"] = 0.95
    line, learns = cures.table_line("net", rows)
    assert line == (
        "| net | 0.15 (0.10 to 0.20) | 0.10 | 0.95 | 1.5 (1.0 to 2.0) | 1.0, diverged | 1.0 |"
    )
    assert learns == (False, False, True)


@pytest.fixture
def trained(monkeypatch):
    """The trainings that are asked for, in place of trainings."""
    asked = []

    def result_of(name, kind, seed, epochs, digits):
        asked.append((name, kind, seed))
        return made_row(name, kind, seed)

    monkeypatch.setattr(cures, "result_of", result_of)
    return asked


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(tmp_path, trained):
    arguments = Namespace(out=tmp_path / "rows.jsonl", seeds=2, epochs=8, only="LSTM")
    whole = cures.run(arguments)
    assert len(whole) == len(trained) == 6
    lines = arguments.out.read_text().splitlines(keepends=True)
    arguments.out.write_text("".join(lines[:4]) + lines[4][:9])
    trained.clear()
    assert cures.run(arguments) == whole
    assert [kind for _, kind, _ in trained] == ["skips", "learned"]
    trained.clear()
    assert cures.run(arguments) == whole
    assert not trained
