"""The run folder: all that is written is read back, also from broken and unusual folders."""

import json
import math
import os

import numpy as np
import pandas as pd
import pytest

from keraskip.runs import INFO_FILE, STEPS_FILE, RunWriter, find_runs, load_run, seals

STATISTICS = ("grad_norm", "frozen", "grad_nonfinite", "weight_norm", "update_norm")
WEIGHTS = [
    {"path": f"{layer}/{role}", "layer": layer, "role": role, "depth": 1, "shape": [2], "size": 2}
    for layer, role in [("conv", "kernel"), ("conv", "bias"), ("dense", "kernel")]
]


def write(path, values, chunk=2, **info):
    writer = RunWriter(path, info, WEIGHTS, STATISTICS)
    for start in range(0, len(values), chunk):
        part = values[start : start + chunk]
        writer.append(np.arange(start, start + len(part)), part)
    return writer


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(6, 3, len(STATISTICS))).astype("float32")


def test_round_trip(tmp_path, values):
    values[1, 2, 0], values[2, 0, 1], values[3, 1, 0] = np.nan, np.inf, -np.inf
    write(tmp_path / "a" / "run", values, seed=3).mark("finished")
    run = load_run(tmp_path / "a" / "run")
    assert run.name == "run"
    assert run.info["seed"] == 3
    assert run.info["status"] == "finished"
    assert not run.truncated
    np.testing.assert_array_equal(run.steps, np.arange(6))
    np.testing.assert_array_equal(run.grad_norm, values[:, :, 0])
    np.testing.assert_array_equal(run.frozen, values[:, :, 1])
    assert list(run.statistics) == list(STATISTICS)
    assert run.weights.to_dict("records") == WEIGHTS


def test_scalars_and_probes_come_back(tmp_path, values):
    writer = RunWriter(tmp_path, {}, WEIGHTS, STATISTICS, ["loss_scale", "clip_factor"])
    scalars = np.array([[1, 0.5], [2, np.nan], [4, 1]], "float32")
    writer.append(np.arange(3), values[:3], scalars)
    rows = [
        {"probe": "signal", "layer": "conv", "depth": 1, "value": 0.25},
        {"probe": "shattering", "layer": "images", "depth": 0, "value": math.nan},
        {"probe": "time", "layer": "memory", "depth": 2, "value": [0.5, math.nan, 2.0]},
    ]
    writer.add_probes(7, rows)
    json.loads((tmp_path / INFO_FILE).read_text(), parse_constant=pytest.fail)
    run = load_run(tmp_path)
    np.testing.assert_array_equal(run.loss_scale, [1, 2, 4])
    np.testing.assert_array_equal(run.clip_factor, [0.5, np.nan, 1])
    np.testing.assert_array_equal(run.frozen, values[:3, :, 1])
    assert run.probes["epoch"].tolist() == [7] * 5
    assert run.probes["layer"].tolist() == ["conv", "images", "memory", "memory", "memory"]
    np.testing.assert_array_equal(run.probes["time"], [np.nan, np.nan, 0, 1, 2])
    np.testing.assert_array_equal(run.probes["value"], [0.25, np.nan, 0.5, np.nan, 2])


def test_a_recorder_leaves_less_than_32_bytes_for_each_weight_and_step(tmp_path):
    from keraskip.callbacks.columns import SCALARS, STATISTICS
    from keraskip.callbacks.hook.capture import CAPACITY

    weights, drains = [*WEIGHTS, WEIGHTS[0]] * 3, 10  # six layers
    writer = RunWriter(tmp_path, {}, weights, STATISTICS, SCALARS)
    for drain in range(drains):
        values = np.zeros((CAPACITY, len(weights), len(STATISTICS)))
        steps = np.arange(CAPACITY) + drain * CAPACITY
        writer.append(steps, values, np.ones((CAPACITY, len(SCALARS))))
    assert len(load_run(tmp_path).steps) == drains * CAPACITY
    size = (tmp_path / STEPS_FILE).stat().st_size
    assert size < 32 * len(weights) * drains * CAPACITY


def test_status_before_the_end_is_running(tmp_path, values):
    write(tmp_path, values)
    assert load_run(tmp_path).info["status"] == "running"


def test_epoch_metrics_keep_nan_and_infinity(tmp_path, values):
    writer = write(tmp_path, values)
    losses = [0.5, math.nan, math.inf, -math.inf]
    for epoch, loss in enumerate(losses):
        writer.add_epoch({"epoch": epoch, "steps": 2 * epoch, "loss": loss})
    json.loads((tmp_path / INFO_FILE).read_text(), parse_constant=pytest.fail)
    epochs = load_run(tmp_path).epochs
    np.testing.assert_array_equal(epochs["loss"], losses)
    assert epochs["epoch"].tolist() == [0, 1, 2, 3]
    assert epochs["steps"].tolist() == [0, 2, 4, 6]
    assert epochs["epoch"].dtype.kind == epochs["steps"].dtype.kind == "i"


def test_epoch_without_a_metric_has_nan(tmp_path, values):
    writer = write(tmp_path, values)
    writer.add_epoch({"epoch": 0, "steps": 3, "loss": 1.0})
    writer.add_epoch({"epoch": 1, "steps": 6, "loss": 0.5, "val_loss": 2.0})
    epochs = load_run(tmp_path).epochs
    np.testing.assert_array_equal(epochs["val_loss"], [math.nan, 2.0])


def test_to_pandas(tmp_path, values):
    write(tmp_path, values)
    frame = load_run(tmp_path).to_pandas()
    names = ["step", "path", "layer", "role", "depth", *STATISTICS]
    assert frame.columns.tolist() == names
    assert len(frame) == 6 * 3
    row = frame[(frame["step"] == 4) & (frame["path"] == "dense/kernel")]
    assert row["grad_norm"].item() == values[4, 2, 0]
    assert row["frozen"].item() == values[4, 2, 1]
    assert row["role"].item() == "kernel"


def test_empty_run(tmp_path):
    RunWriter(tmp_path, {}, WEIGHTS, STATISTICS)
    run = load_run(tmp_path)
    assert not run.truncated
    assert run.steps.shape == (0,)
    assert run.grad_norm.shape == (0, 3)
    assert len(run.to_pandas()) == 0
    assert isinstance(run.epochs, pd.DataFrame)
    assert run.epochs.columns.tolist() == ["epoch", "steps"]


def test_unknown_statistic_is_an_attribute_error(tmp_path, values):
    write(tmp_path, values)
    with pytest.raises(AttributeError, match="no statistic 'nope'"):
        _ = load_run(tmp_path).nope


def batch_ends(folder, values):
    """Sizes of the file with 0, 1, 2, ... batches."""
    writer = RunWriter(folder, {}, WEIGHTS, STATISTICS)
    ends = [(folder / STEPS_FILE).stat().st_size]
    for start in range(0, len(values), 2):
        writer.append(np.arange(start, start + 2), values[start : start + 2])
        ends.append((folder / STEPS_FILE).stat().st_size)
    return ends


def test_file_cut_at_any_byte_keeps_the_whole_batches(tmp_path, values):
    # Each byte takes a file to read.
    ends = batch_ends(tmp_path, values[:4])
    whole = (tmp_path / STEPS_FILE).read_bytes()
    for size in range(ends[0], len(whole) + 1):
        (tmp_path / STEPS_FILE).write_bytes(whole[:size])
        run = load_run(tmp_path)
        batches = sum(end <= size for end in ends) - 1
        assert len(run.steps) == 2 * batches, size
        np.testing.assert_array_equal(run.grad_norm, values[: 2 * batches, :, 0])
        assert run.truncated == (size not in ends), size


def test_new_writer_replaces_the_old_run(tmp_path, values):
    write(tmp_path, values, name="old").add_epoch({"epoch": 0, "steps": 6})
    write(tmp_path, values[:3], name="new")
    run = load_run(tmp_path)
    assert run.info["name"] == "new"
    assert run.info["epochs"] == []
    np.testing.assert_array_equal(run.steps, np.arange(3))
    assert sorted(file.name for file in tmp_path.iterdir()) == [INFO_FILE, STEPS_FILE]


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_load_without_a_run(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=f"There is no run in .*{folder}"):
        load_run(tmp_path / folder)


def test_load_of_another_format(tmp_path, values):
    write(tmp_path, values)
    info = json.loads((tmp_path / INFO_FILE).read_text())
    (tmp_path / INFO_FILE).write_text(json.dumps(info | {"schema_version": 99}))
    with pytest.raises(ValueError, match="Received: format 99"):
        load_run(tmp_path)


def test_writer_below_a_file(tmp_path, values):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "run", values)


def test_find_runs(tmp_path, values):
    for name in ["b", "a"]:
        write(tmp_path / name, values)
    (tmp_path / "other").mkdir()
    runs = [tmp_path / "a", tmp_path / "b"]
    assert find_runs([tmp_path]) == runs
    assert find_runs([str(tmp_path / "b"), tmp_path]) == [tmp_path / "b", *runs]
    assert find_runs([]) == []


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_find_runs_without_a_run(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=folder):
        find_runs([tmp_path / folder])


def test_parts_are_the_weights_that_share_a_step():
    from keraskip.runs import parts_of

    # Two optimizers; the first trains two sets of weights in turn, and one weight sometimes lacks.
    present = np.array(
        [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [1, 1, 0, 0, 0]], bool
    )
    found = parts_of(present, np.array([0, 0, 0, 1, 0]))
    assert [(number, rows.tolist(), columns.tolist()) for number, rows, columns in found] == [
        (0, [0, 1, 4], [0, 1]),
        (0, [2], [2]),
        (1, [3], [3]),
    ]
    assert parts_of(np.zeros((3, 2), bool), np.zeros(3)) == []


def sealed_run(path):
    """A run of 40 steps in five batches, and its steps as they are on disk."""
    values = np.random.default_rng(0).normal(size=(40, 3, len(STATISTICS))).astype("float32")
    write(path, values, chunk=8).mark("finished")
    return values, (path / STEPS_FILE).read_bytes()


def test_a_flipped_bit_is_reported_and_costs_one_batch(tmp_path):
    values, steps = sealed_run(tmp_path)
    begin = schema_length(tmp_path)
    for bit in np.random.default_rng(0).integers(begin * 8, len(steps) * 8, 300):
        flipped = bytearray(steps)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / STEPS_FILE).write_bytes(flipped)
        run = load_run(tmp_path)
        np.testing.assert_array_equal(run.grad_norm, values[run.steps, :, 0])
        assert len(run.steps) >= 32
        # Bytes that fill gaps belong to the checksum, too.
        assert run.damaged or run.truncated, bit


def schema_length(path):
    import pyarrow as pa

    with pa.OSFile(str(path / STEPS_FILE)) as file:
        pa.ipc.open_stream(file)
        return file.tell()


def test_damage_tells_its_steps_and_the_batches_behind_are_read(tmp_path):
    values, steps = sealed_run(tmp_path)
    begin = schema_length(tmp_path)
    length = (len(steps) - begin) // 5
    middle = bytearray(steps)
    middle[begin + length : begin + 2 * length] = bytes(length)
    (tmp_path / STEPS_FILE).write_bytes(middle)
    run = load_run(tmp_path)
    assert run.damaged == ((7, 16),)
    np.testing.assert_array_equal(run.steps, [*range(8), *range(16, 40)])
    np.testing.assert_array_equal(run.frozen, values[run.steps, :, 1])
    both_ends = bytearray(steps)
    both_ends[begin + length - 1] ^= 1
    both_ends[-1] ^= 1
    (tmp_path / STEPS_FILE).write_bytes(both_ends)
    assert load_run(tmp_path).damaged == ((-1, 8), (31, None))


def test_batches_of_an_older_version_have_no_checksum(tmp_path):
    import pyarrow as pa

    values, steps = sealed_run(tmp_path)
    with pa.OSFile(str(tmp_path / STEPS_FILE)) as file:
        batches = pa.ipc.open_stream(file).read_all().to_batches()
    begin = schema_length(tmp_path)
    length = (len(steps) - begin) // 5
    old = b"".join(batch.serialize() for batch in batches[:2])
    (tmp_path / STEPS_FILE).write_bytes(steps[:begin] + old + steps[begin + 2 * length :])
    run = load_run(tmp_path)
    assert not run.damaged
    np.testing.assert_array_equal(run.grad_norm, values[:, :, 0])


def test_batches_of_an_older_version_have_another_checksum(tmp_path, monkeypatch):
    monkeypatch.setattr(seals, "BY_PLACE", seals.ANYWHERE)
    values, steps = sealed_run(tmp_path)
    monkeypatch.undo()
    run = load_run(tmp_path)
    assert not run.damaged
    np.testing.assert_array_equal(run.grad_norm, values[:, :, 0])
    (tmp_path / STEPS_FILE).write_bytes(steps[:-1] + bytes([steps[-1] ^ 1]))
    assert load_run(tmp_path).damaged == ((31, None),)


def test_compressed_steps_are_refused(tmp_path):
    import pyarrow as pa

    sealed_run(tmp_path)
    with pa.OSFile(str(tmp_path / STEPS_FILE)) as file:
        table = pa.ipc.open_stream(file).read_all()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(tmp_path / STEPS_FILE, table.schema, options=options) as stream:
        stream.write_table(table)
    with pytest.raises(ValueError, match=r"steps.arrow is compressed"):
        load_run(tmp_path)


def test_steps_of_other_weights_are_refused(tmp_path):
    sealed_run(tmp_path)
    file = tmp_path / INFO_FILE
    info = json.loads(file.read_text())
    file.write_text(json.dumps({**info, "weights": WEIGHTS[:2]}))
    with pytest.raises(ValueError, match=r"Received: grad_norm as .*\[3\], and 2 weights"):
        load_run(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    sealed_run(tmp_path)
    (tmp_path / STEPS_FILE).unlink()
    os.mkfifo(tmp_path / STEPS_FILE)
    with pytest.raises(ValueError, match="which is a pipe"):
        load_run(tmp_path)
