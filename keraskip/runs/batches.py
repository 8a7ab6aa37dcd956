"""The batches of `steps.arrow`, checked when they are read."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from keraskip.runs.stream import StreamBytes


class Batches(NamedTuple):
    """The whole batches of a file.

    Attributes:
        schema: the columns.
        whole: the batches that are as they were written.
        gaps: for each place with damage, how many whole batches lie before it.
        truncated: whether the file ends in the middle of a batch.
    """

    schema: pa.Schema
    whole: list[pa.RecordBatch]
    gaps: list[int]
    truncated: bool


def read_batches(path: Path, data: pa.Buffer) -> Batches:
    """Reads the whole batches of a file, also behind damaged ones.

    Args:
        path: the file.
        data: its bytes.

    A batch of an older version has no checksum; only its form shows whether it is whole.

    Raises:
        ValueError: if the file is no uncompressed Arrow stream.
    """
    file = StreamBytes(path, data)
    whole: list[pa.RecordBatch] = []
    gaps: list[int] = []
    begin, truncated = file.begin, False
    while begin < len(file.data):
        end = file.end_of(begin)
        rows = file.batch(begin, end) if end else None
        if rows is not None:
            whole.append(rows)
            begin = end
            continue
        truncated = file.ends_within(begin)
        begin = file.next_batch(begin)
        truncated &= begin == len(file.data)
        if not truncated:
            gaps.append(len(whole))
    # A small file may hold any number of compressed steps. A damaged batch may only look like it.
    if file.is_compressed and not whole:
        raise ValueError(f"{path} is compressed. keraskip writes steps that are not.")
    return Batches(file.schema, whole, gaps, truncated)
