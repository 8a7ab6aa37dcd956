"""A run is read in stretches: where these end changes no number, and hides no damage."""

import io
import os

import numpy as np
import pyarrow as pa
import pytest

from keraskip.runs import STEPS_FILE, RunWriter, load_run, stream
from keraskip.runs.batches import read_batches
from keraskip.runs.reading import OF_WEIGHTS

# Shorter than a batch, about one, several, and longer than the file.
STRETCHES = (8, 700, 1400, 2000, 10**6)
# The steps of each batch: equal ones in a row, and a long one.
LENGTHS = (1, 1, 1, 3, 40, 3, 3, 1)
WEIGHT = {"path": "a/kernel", "layer": "a", "role": "kernel", "depth": 1, "shape": [2], "size": 2,
          "positions": 1, "after": [], "last": True}  # fmt: skip


class Written:
    """A run of these batches, with the numbers that were written and where each batch ends."""

    def __init__(self, folder, lengths, weights=1):
        self.folder, self.file = folder, folder / STEPS_FILE
        self.writer = RunWriter(folder, {}, [WEIGHT] * weights, OF_WEIGHTS, ["loss"])
        self.ends, self.rows = [self.file.stat().st_size], np.cumsum([0, *lengths])
        random = np.random.default_rng(0)
        self.values = random.normal(size=(self.rows[-1], weights, 5)).astype(np.float32)
        self.loss = random.normal(size=(self.rows[-1], 1)).astype(np.float32)
        for batch in range(len(lengths)):
            self.append(batch)
            self.ends.append(self.file.stat().st_size)
        self.data = self.file.read_bytes()

    def append(self, batch):
        steps = np.arange(self.rows[batch], self.rows[batch + 1])
        self.writer.append(steps, self.values[steps], self.loss[steps])

    def steps_of(self, batches):
        """The numbers of the steps of these batches."""
        steps = np.arange(self.rows[-1])
        return steps[np.isin(np.searchsorted(self.rows, steps, "right") - 1, [*batches])]

    def read(self, data=None, opened=lambda file: io.BufferedReader(io.FileIO(file))):
        """What is read of the file, with this content if any."""
        if data is not None:
            self.file.write_bytes(data)
        with opened(self.file) as source:
            return read_batches(self.file, source)

    def check(self, found, batches):
        """Each number that was read is as it was written, and the batches are these."""
        steps = self.steps_of(batches)
        columns = [found.arrays.column(place) for place in range(2 + len(OF_WEIGHTS))]
        assert columns[0].tolist() == steps.tolist()
        assert np.array_equal(columns[1], self.loss[steps, 0])
        for place in range(len(OF_WEIGHTS)):
            assert np.array_equal(columns[2 + place], self.values[steps, :, place])


@pytest.fixture
def written(tmp_path):
    return Written(tmp_path / "run", LENGTHS)


@pytest.fixture(params=STRETCHES)
def stretch(request, monkeypatch):
    monkeypatch.setattr(stream, "STRETCH", request.param)
    return request.param


def test_a_sound_run_is_read_as_it_was_written(written, stretch):
    found = written.read()
    written.check(found, range(len(LENGTHS)))
    assert (found.gaps, found.truncated) == ([], False)


def test_a_stretch_that_ends_at_any_byte_of_a_batch(written, monkeypatch):
    # No multiple of a word, so that each of its bytes has its turn.
    for size in range(written.ends[1], written.ends[3] + 9, 7):
        monkeypatch.setattr(stream, "STRETCH", size)
        found = written.read()
        written.check(found, range(len(LENGTHS)))
        assert (found.gaps, found.truncated) == ([], False), size


@pytest.mark.parametrize("are_all", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_file_that_is_cut_anywhere_has_the_batches_before(written, stretch, are_all):
    ends = {end + byte for end in written.ends for byte in range(-9, 10, 3)} | {*written.ends}
    lengths = range(written.ends[0], len(written.data))
    for length in lengths if are_all else sorted(ends.intersection(lengths)):
        found = written.read(written.data[:length])
        written.check(found, range(np.searchsorted(written.ends, length, "right") - 1))
        assert (found.gaps, found.truncated) == ([], length not in written.ends), length


def test_a_flipped_bit_loses_its_batch_and_no_other(written, stretch):
    begin, end = written.ends[0], len(written.data)
    for bit in np.random.default_rng(stretch).integers(8 * begin, 8 * end, 200):
        data = bytearray(written.data)
        data[bit // 8] ^= 1 << bit % 8
        hit = np.searchsorted(written.ends, bit // 8, "right") - 1
        found = written.read(data)
        written.check(found, [batch for batch in range(len(LENGTHS)) if batch != hit])
        # Where the last batch says that it is longer, nothing shows that it was not cut.
        is_last = hit == len(LENGTHS) - 1
        assert found.gaps == [written.rows[hit]] or (is_last and found.truncated), bit


def test_batches_without_steps(tmp_path, stretch):
    """Empty ones change nothing, and hide no damage."""
    lengths = (0, 2, 0, 0, 2, 2, 0)
    written = Written(tmp_path / "run", lengths)
    found = written.read()
    written.check(found, range(len(lengths)))
    assert found.gaps == []
    for batch in (1, 3):
        data = bytearray(written.data)
        data[written.ends[batch] + 60] ^= 4
        found = written.read(data)
        written.check(found, [each for each in range(len(lengths)) if each != batch])
        assert found.gaps == [written.rows[batch]]


def test_several_places_with_damage_are_told_apart(written, stretch):
    data = bytearray(written.data)
    for batch in (0, 3, 4, 6):
        data[written.ends[batch + 1] - 9] ^= 1
    found = written.read(data)
    written.check(found, [1, 2, 5, 7])
    assert (found.gaps, found.truncated) == ([0, 2, 5], False)


def test_batches_that_are_gone_or_changed_places_have_their_own_numbers(written, stretch):
    first, second, third = (
        written.data[begin:end]
        for begin, end in zip(written.ends[1:4], written.ends[2:5], strict=True)
    )
    head, rest = written.data[: written.ends[1]], written.data[written.ends[4] :]
    written.check(written.read(head + third + rest), [0, 3, *range(4, len(LENGTHS))])
    found = written.read(head + second + first + third + rest)
    steps = found.arrays.column(0)
    assert steps[:4].tolist() == [0, 2, 1, 3]
    assert np.array_equal(found.arrays.column(1), written.loss[steps, 0])


@pytest.mark.parametrize("lengths", [[64] * 9, [700, 3, 700]], ids=["many", "long"])
def test_batches_at_the_end_of_a_stretch_of_the_usual_length(tmp_path, lengths):
    """Files of several stretches: damage in the batch across the end of the first, and a cut."""
    written = Written(tmp_path / "run", lengths, weights=110)
    found = written.read()
    written.check(found, range(len(lengths)))
    across = np.searchsorted(written.ends, stream.STRETCH) - 1
    for place in (stream.STRETCH, stream.STRETCH - 1, written.ends[across] + 4):
        data = bytearray(written.data)
        data[place] ^= 16
        found = written.read(data)
        written.check(found, [batch for batch in range(len(lengths)) if batch != across])
        assert (found.gaps, found.truncated) == ([written.rows[across]], False)
    found = written.read(written.data[: stream.STRETCH])
    written.check(found, range(across))
    assert (found.gaps, found.truncated) == ([], True)


class Changing(io.BufferedReader):
    """A file that something else changes after its first stretch was read."""

    def __init__(self, file, change):
        super().__init__(io.FileIO(file), buffer_size=16)
        self._changes = [lambda: None, change]

    def readinto(self, room):
        if self._changes:
            self._changes.pop(0)()
        return super().readinto(room)


def test_a_file_that_is_cut_while_it_is_read(written, monkeypatch):
    monkeypatch.setattr(stream, "STRETCH", written.ends[2] + 100)
    for cut in (written.ends[5] - 8, written.ends[2], written.ends[1]):
        written.file.write_bytes(written.data)
        found = written.read(
            opened=lambda file, cut=cut: Changing(file, lambda: os.truncate(file, cut))
        )
        # The first two were at hand.
        count = max(2, np.searchsorted(written.ends, cut, "right") - 1)
        written.check(found, range(count))
        assert found.gaps == []


def test_a_file_that_grows_while_it_is_read_is_read_to_its_earlier_end(written, monkeypatch):
    monkeypatch.setattr(stream, "STRETCH", written.ends[2])
    found = written.read(opened=lambda file: Changing(file, lambda: written.append(7)))
    written.check(found, range(len(LENGTHS)))
    assert (found.gaps, found.truncated) == ([], False)


def test_numbers_stay_after_another_run_was_read(written, tmp_path, stretch):
    """No column lies in a buffer that is used again."""
    found = written.read()
    kept = [found.arrays.column(place).copy() for place in range(2 + len(OF_WEIGHTS))]
    other = Written(tmp_path / "other", LENGTHS[::-1])
    other.values += 1
    other.read()
    for place, numbers in enumerate(kept):
        column = found.arrays.column(place)
        assert np.array_equal(column, numbers)
        with pytest.raises(ValueError, match="read-only"):
            column[:1] = 0


def unsealed(lacks=None):
    """Columns of three steps, without a checksum as another program may write them.

    Args:
        lacks: the column whose last number lacks.
    """
    numbers = {name: pa.array([[0], [1], [2]], pa.list_(pa.float32(), 1)) for name in OF_WEIGHTS}
    columns = {"step": pa.array([0, 1, 2]), "loss": pa.array([0, 1, 2], pa.float32()), **numbers}
    if lacks:
        column = columns[lacks]
        columns[lacks] = pa.array([*column.to_pylist()[:2], None], column.type)
    return pa.table(columns)


def messages(table):
    """The columns and the one batch of a table, as they stand in a file."""
    (batch,) = table.to_batches()
    return table.schema.serialize().to_pybytes(), batch.serialize().to_pybytes()


def test_a_batch_of_another_program_is_read(written):
    found = written.read(b"".join(messages(unsealed())))
    assert (found.arrays.rows, found.gaps) == (3, [])
    assert found.arrays.column(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["step", "loss", *OF_WEIGHTS])
def test_a_batch_that_lacks_a_number_is_damaged(written, name):
    columns, batch = messages(unsealed(name))
    found = written.read(columns + batch)
    assert (found.arrays.rows, found.gaps) == (0, [0])


@pytest.mark.parametrize("size", [0, 2**29, 2**31 - 1])
def test_lists_of_any_length_are_refused_with_the_name_of_the_file(written, size):
    lists = [(name, pa.list_(pa.float32(), size)) for name in OF_WEIGHTS]
    written.file.write_bytes(pa.schema([("step", pa.int64()), *lists]).serialize())
    with pytest.raises(ValueError, match=r"steps\.arrow must hold"):
        load_run(written.folder)
