"""Damaged and hostile run folders: refused in a line that names the file, or read right."""

import itertools
import json
import os
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest
from damaged_runs import (
    LAYERS,
    changed_columns,
    changed_facts,
    changed_steps,
    flipped,
    is_as_written,
    outcome,
    small_run,
    unusual_files,
)

from keraskip.callbacks.columns import STATISTICS
from keraskip.report.comparison import compare
from keraskip.report.files import as_json
from keraskip.runs import INFO_FILE, STEPS_FILE, RunWriter, check_facts, load_run, opened
from keraskip.runs.batches import read_batches
from keraskip.runs.info import as_text
from keraskip.runs.reading import OF_WEIGHTS
from keraskip.runs.stream import STRETCH

# A share of all cases; `keraskip` itself was tried with each of them.
EVERY_FACT = 61


@pytest.fixture
def folder(tmp_path):
    small_run(tmp_path / "run")
    return tmp_path / "run"


@contextmanager
def counted_memory():
    """Arrow's memory from here on, which has to be given back within."""
    usual = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counted)
    try:
        yield counted
    finally:
        pa.set_memory_pool(usual)


def keraskip(*arguments):
    typed = [sys.executable, "-m", "keraskip", *map(str, arguments)]
    return subprocess.run(typed, capture_output=True, text=True, timeout=600)


def reported(run):
    comparison = compare(run)
    comparison.table()
    as_json(comparison)


def test_changed_facts_are_refused_or_reported(folder):
    outcomes = set()
    for what, data in itertools.islice(changed_facts(folder), 0, None, EVERY_FACT):
        (folder / INFO_FILE).write_bytes(data)
        try:
            outcomes.add(outcome(folder, reported))
        except Exception as error:
            error.add_note(what)
            raise
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": []}, r"\$\.weights"),
        ({"epochs": None}, r"\$\.epochs"),
        ({"classes": 0}, r"\$\.classes"),
        ({"device": {}}, r"`processor` - at `\$\.device"),
        ({"kinds": ["Dense"]}, "`calls`, `kinds` and `activations` of one length"),
        ({"test": []}, r"\$\.test"),
    ],
)
def test_an_entry_that_breaks_its_rule_is_named(folder, changes, said):
    info = json.loads((folder / INFO_FILE).read_text())
    (folder / INFO_FILE).write_text(json.dumps(info | changes))
    with pytest.raises(ValueError, match=f"run.json is damaged: .*{said}"):
        load_run(folder)


@pytest.mark.parametrize("are_all", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_flipped_bit_of_the_facts_is_noticed(folder, are_all):
    data = (folder / INFO_FILE).read_bytes()
    last = range(8 * len(data) - 8 * 12, 8 * len(data))
    some = [*np.random.default_rng(0).integers(0, 8 * len(data), 150).tolist(), *last]
    bits = range(8 * len(data)) if are_all else some
    for _, changed in flipped(data, bits):
        (folder / INFO_FILE).write_bytes(changed)
        assert outcome(folder) == "refused"


def test_facts_without_a_checksum_are_read(folder):
    """As earlier versions and other programs write them."""
    info = json.loads((folder / INFO_FILE).read_text())
    (folder / INFO_FILE).write_text(json.dumps(info))
    assert outcome(folder) == "read"
    del info["checksum"]
    (folder / INFO_FILE).write_text(json.dumps(info, indent=1))
    assert outcome(folder) == "read"
    assert "checksum" not in load_run(folder).info


def test_a_path_that_is_no_utf8_is_read_and_reported(folder, tmp_path):
    """As `sys.argv` has it."""
    info = json.loads((folder / INFO_FILE).read_text())
    del info["checksum"]
    name = os.fsdecode(b"caf\xe9.py")
    (folder / INFO_FILE).write_text(as_text(info | {"command": [name]}))
    run = load_run(folder)
    assert run.info["command"] == ["caf?.py"]
    for kind in ("html", "json", "md"):
        compare(run).save(tmp_path / f"report.{kind}")
    for number in ("NaN", "-Infinity", "1e999"):
        (folder / INFO_FILE).write_text(
            json.dumps(info | {"command": [name]}).replace("0.95", number)
        )
        with pytest.raises(ValueError, match=r"run\.json is damaged"):
            load_run(folder)


def test_an_accuracy_of_any_size_is_drawn(folder, tmp_path):
    info = json.loads((folder / INFO_FILE).read_text())
    info["epochs"][1]["accuracy"] = -1e308
    (folder / INFO_FILE).write_text(json.dumps(info))
    assert b"<svg" in compare(folder).save(tmp_path / "a.svg").read_bytes()


@pytest.mark.parametrize("step", ["a", None, 0.5, True])
def test_a_row_of_facts_with_an_odd_step_is_refused_before_the_training(folder, step):
    facts = {"events": [{"step": 1}, {"step": step}]}
    with pytest.raises(ValueError, match=r"`int` as `step` and `epoch` - at `\$.events`"):
        check_facts(facts)
    info = json.loads((folder / INFO_FILE).read_text())
    (folder / INFO_FILE).write_text(json.dumps(info | facts))
    assert outcome(folder) == "refused"
    # No list of rows, from which nothing is dropped.
    own = {"events": ["begin", {"step": step}]}
    check_facts(own)
    (folder / INFO_FILE).write_text(json.dumps(info | own))
    assert load_run(folder).info["events"] == own["events"]


@pytest.mark.parametrize("count", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_no_change_of_the_steps_gives_other_numbers(folder, count):
    whole, data = load_run(folder), (folder / STEPS_FILE).read_bytes()
    random = np.random.default_rng(0)
    bits = random.integers(0, 8 * len(data), count)
    for what, changed in [*flipped(data, bits), *changed_steps(data, count, random)]:
        (folder / STEPS_FILE).write_bytes(changed)
        runs = []
        outcome(folder, runs.append)
        assert all(is_as_written(run, whole) for run in runs), what


def test_a_run_with_damage_all_over_takes_little_memory(folder):
    """Each other one of 2,000 batches."""
    values = np.zeros((1, 2 * LAYERS, len(STATISTICS)))
    writer = RunWriter(folder, {}, load_run(folder).info["weights"], STATISTICS)
    begin = (folder / STEPS_FILE).stat().st_size
    for step in range(2000):
        writer.append(np.array([step]), values)
    data = bytearray((folder / STEPS_FILE).read_bytes())
    length = (len(data) - begin) // 2000
    for batch in range(0, 2000, 2):
        data[begin + batch * length + length - 1] ^= 1
    (folder / STEPS_FILE).write_bytes(data)
    tracemalloc.start()
    with open(folder / STEPS_FILE, "rb") as file, counted_memory() as memory:
        found = read_batches(folder / STEPS_FILE, file)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [found.arrays.rows, len(found.gaps)] == [1000, 1000]
        # The bytes of the file, a stretch, and columns that could fill the file; then only these.
        assert memory.max_memory() < 2 * len(data) + STRETCH + 2**12
        assert memory.bytes_allocated() <= len(data)
        assert most < len(data) / 3
        del found
    assert load_run(folder).steps.tolist() == list(range(1, 2000, 2))


@pytest.mark.slow
def test_a_file_that_is_cut_anywhere_keeps_its_whole_batches(folder):
    whole, data = load_run(folder), (folder / STEPS_FILE).read_bytes()
    for length in range(len(data)):
        (folder / STEPS_FILE).write_bytes(data[:length])
        runs = []
        outcome(folder, runs.append)
        assert all(is_as_written(run, whole) for run in runs), length


@pytest.mark.parametrize("name", [b"grad_nonfinite", b"update_norm"])
def test_a_column_of_another_name_is_damage(folder, name):
    """No batch has the checksum of columns with these names."""
    data = (folder / STEPS_FILE).read_bytes()
    (folder / STEPS_FILE).write_bytes(data.replace(name, name[:-1] + b"Z", 1))
    with pytest.raises(ValueError, match="no batch is as it was written"):
        load_run(folder)


def test_columns_that_are_gone_renamed_or_of_another_type(folder):
    """Refused where the analysis needs the column, or else reported."""
    for what, name, data in changed_columns(folder):
        (folder / STEPS_FILE).write_bytes(data)
        try:
            found = outcome(folder, reported)
        except Exception as error:
            error.add_note(what)
            raise
        is_needed = name in OF_WEIGHTS or (f"{name} is" in what and name != "grad_max")
        assert found == "refused" or not is_needed, what


def test_steps_that_the_epochs_count_and_the_file_lacks_are_told(folder):
    data = (folder / STEPS_FILE).read_bytes()
    third = load_run(folder)
    cut = data.rindex(b"\xff\xff\xff\xff", 0, data.rindex(b"keraskip"))
    (folder / STEPS_FILE).write_bytes(data[:cut])
    run = load_run(folder)
    assert (run.damaged, run.truncated) == (((15, None),), False)
    assert is_as_written(run, third)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
@pytest.mark.parametrize("name", [INFO_FILE, STEPS_FILE])
def test_only_files_are_read(folder, name):
    for kind in unusual_files(folder, name):
        assert outcome(folder) == "refused", kind


def test_a_report_names_what_is_damaged_and_reports_the_rest(tmp_path):
    for name in ("one", "two", "three"):
        small_run(tmp_path / name)
    (tmp_path / "one" / INFO_FILE).write_bytes(b"[" * 100_000)
    (tmp_path / "two" / STEPS_FILE).write_bytes(b"")
    runs, reasons = opened([tmp_path / name for name in ("one", "two", "three")])
    assert [run.name for run in runs] == ["three"]
    done = keraskip("report", tmp_path, "--out", tmp_path / "report.json")
    assert done.returncode == 0
    assert sorted(done.stderr.splitlines()) == sorted(f"keraskip: left out: {r}" for r in reasons)
    written = json.loads((tmp_path / "report.json").read_text())
    assert [run["run"] for run in written["runs"]] == ["three"]
    with pytest.warns(UserWarning, match="left out: ") as caught:
        comparison = compare(tmp_path)
    assert {str(each.message) for each in caught} == {f"left out: {r}" for r in reasons}
    assert {each.filename for each in caught} == {__file__}
    assert [run.name for run in comparison.runs] == ["three"]
    with pytest.raises(ValueError, match=rf"one/{INFO_FILE} "):
        compare(tmp_path / "three", tmp_path / "one")
    (tmp_path / "three" / INFO_FILE).write_bytes(b"{}")
    with pytest.raises(ValueError, match="Nor can 2 others be read"):
        compare(tmp_path)
    done = keraskip("report", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert f"{INFO_FILE} is damaged" in done.stderr
