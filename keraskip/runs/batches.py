"""The batches of `steps.arrow`, checked when they are read."""

from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from keraskip.runs.arrays import Arrays
from keraskip.runs.stream import StreamBytes


class Batches(NamedTuple):
    """The whole batches of a file.

    Attributes:
        schema: the columns.
        arrays: the numbers of the batches that are as they were written.
        gaps: for each place with damage, how many steps of whole batches lie before it.
        truncated: whether the file ends in the middle of a batch.
    """

    schema: pa.Schema
    arrays: Arrays
    gaps: list[int]
    truncated: bool


def read_batches(path: Path, source: BufferedReader) -> Batches:
    """Reads the whole batches of a file, also behind damaged ones.

    Args:
        path: the file.
        source: the file, open at its beginning.

    A batch of an older version has no checksum; only its form shows whether it is whole.

    Raises:
        ValueError: if the file is no uncompressed Arrow stream.
    """
    file = StreamBytes(path, source)
    arrays = Arrays(file.schema, file.size)
    gaps: list[int] = []
    begin, truncated = file.begin, False
    while begin < len(file.data) or file.goes_on:
        block = file.batches(begin)
        if block is not None:
            arrays.add(block)
            begin += block.columns.nbytes
            continue
        if file.goes_on:
            file.go_on(begin)
            begin = 0
            continue
        truncated = file.ends_within(begin)
        begin = file.next_batch(begin)
        truncated &= begin == len(file.data)
        if not truncated:
            gaps.append(arrays.rows)
    # A small file may hold any number of compressed steps. A damaged batch may only look like it.
    if file.is_compressed and not arrays.rows:
        raise ValueError(f"{path} is compressed. keraskip writes steps that are not.")
    return Batches(file.schema, arrays, gaps, truncated)
