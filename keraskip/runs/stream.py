"""The bytes of an Arrow stream; any of them may be damaged."""

import os
import re
import struct
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from keraskip.runs.layouts import Layout, layout_of
from keraskip.runs.seals import KEY, SEAL, WORD, alike, head_checksum, sound, text_of, unsealed

# A flipped bit may say that the other bytes come first.
AS_STORED = pa.ipc.IpcReadOptions(ensure_native_endian=False)
# Each message begins with it, at a multiple of `WORD` bytes.
MARK = b"\xff\xff\xff\xff"
MARKS = re.compile(re.escape(MARK))
# The bytes that are looked at in one go stay in the cache of the processor.
STRETCH = 2**20
# After batches that were whole, as many times as many are looked at together.
MORE = 8
# In the header of a message: the kind of a batch, and a field of its table.
BATCH, COMPRESSION = 3, 3


class Block(NamedTuple):
    """Batches in a row that are as they were written, and share a header.

    Attributes:
        rows: the number of steps in all of them.
        columns: their messages [batches], with a field for each column, by the number of the
            column. They lie in memory that is used again.
    """

    rows: int
    columns: np.ndarray


class StreamBytes:
    """The bytes of an Arrow stream, as a rule a stretch of them at a time.

    Args:
        path: the file.
        source: the file, open at its beginning.

    Attributes:
        size: of the file.
        data: the bytes at hand.
        goes_on: whether others follow.
        schema: the columns.
        begin: where the first batch begins.
        is_compressed: whether a batch was met that is, or seems, compressed.
    """

    def __init__(self, path: Path, source: BufferedReader) -> None:
        self._source, self._at, self.size = source, 0, os.fstat(source.fileno()).st_size
        self._room = pa.allocate_buffer(min(STRETCH, self.size))
        self._read(STRETCH)
        self.schema, self.begin = self._columns(path)
        self._text = text_of(self.schema)
        self._is_sealed = self.is_compressed = False
        # Of the batches that were whole, by their headers without checksum; and the headers' sizes.
        self._layouts: dict[bytes, Layout] = {}
        self._sizes: set[int] = set()
        # How many batches are looked at together.
        self._ahead = 1

    def _columns(self, path: Path) -> tuple[pa.Schema, int]:
        """The columns, and where they end; ValueError if the file does not begin with them."""
        source = pa.BufferReader(self._buffer)
        try:
            schema = pa.ipc.open_stream(source, options=AS_STORED).schema
            _ = str(schema), schema.names
        except (pa.ArrowException, OSError, UnicodeError) as error:
            if self.goes_on:
                self.go_on(0)
                return self._columns(path)
            raise ValueError(f"{path} is damaged: it does not begin as an Arrow stream.") from error
        return schema, source.tell()

    def go_on(self, begin: int) -> None:
        """Has the next stretch at hand, from here on; all that follows if the last one began here.

        A batch may be longer than a stretch, and behind a damaged one the next may lie anywhere.
        """
        self._at += begin
        self._read(STRETCH if begin else self.size - self._at)

    def _read(self, length: int) -> None:
        if length > self._room.size:
            self._room = pa.allocate_buffer(min(length, self.size))
        room = memoryview(self._room)[: min(length, self.size - self._at)]
        self._source.seek(self._at)
        count = self._source.readinto(room)
        self._buffer, self.data = self._room.slice(0, count), room[:count].cast("B")
        # Something else may have cut the file meanwhile.
        self.goes_on = count == len(room) and self._at + count < self.size

    def batches(self, begin: int) -> Block | None:
        """The batches from here on that share a header; None if the first is damaged or not whole.

        Others with this header may follow.
        """
        body = self._body(begin)
        # A damaged size may be that of the rest of the file.
        if body - begin not in self._sizes and self.end_of(begin) is None:
            return None
        header = bytes(self.data[begin:body])
        text = unsealed(header)
        known = self._layouts.get(text)
        end = begin + known.columns.itemsize if known else self.end_of(begin)
        if end is None or end > len(self.data) or len(text) != body - begin:
            return None
        # An older version may have begun the run, and a newer one gone on with it. A flipped bit in
        # either of both words leaves the other.
        self._is_sealed |= SEAL in header or KEY in header
        head = known.head if known else head_checksum(self._text, text)
        count = self._whole(begin, end - begin, text, head, self._ahead if known else 1)
        if not count:
            return None
        layout = known or layout_of(self._buffer.slice(begin, end - begin), self.schema, head)
        if layout is None:
            return None
        self._layouts[text] = layout
        self._sizes.add(body - begin)
        return Block(count * layout.rows, np.ndarray(count, layout.columns, self.data, begin))

    def _whole(self, begin: int, size: int, text: bytes, head: int, most: int) -> int:
        """How many batches from here on have this header and size, and are whole; at most these.

        Few are looked at behind a damaged one, as others may be near it.
        """
        most = min(most, (len(self.data) - begin) // size)
        headers = np.ndarray((most, len(text)), np.uint8, self.data, begin, (size, 1))
        count = alike(headers, text)
        if self._is_sealed:
            words, rest = divmod(size - len(text), WORD)
            place, strides = begin + len(text), (size, WORD)
            bodies = np.ndarray((count, words), np.uint64, self.data, place, strides)
            count = 0 if rest else sound(headers[:count], bodies, text, head)
        self._ahead = MORE * most if count == most else 1
        return count

    def _body(self, begin: int) -> int:
        """Where the body begins of the message that begins here."""
        return begin + WORD + int.from_bytes(self.data[begin + 4 : begin + WORD], "little")

    def end_of(self, begin: int) -> int | None:
        """Where the message ends that begins here; None if it is no batch, or not whole.

        A header is a flatbuffer, see `Message.fbs` and `Schema.fbs` of Apache Arrow.
        """
        try:
            end, is_compressed = self._header(begin)
        except (struct.error, IndexError, TypeError):
            return None
        self.is_compressed |= is_compressed
        return None if is_compressed or end > len(self.data) else end

    def next_batch(self, begin: int) -> int:
        """Where the next whole batch begins, or the end of the file."""
        for mark in MARKS.finditer(self.data, begin + 1):
            begin = mark.start()
            if begin % WORD == 0 and self.batches(begin) is not None:
                return begin
        return len(self.data)

    def ends_within(self, begin: int) -> bool:
        """Whether the file may end in the middle of the batch that begins here."""
        try:
            return self._header(begin)[0] > len(self.data)
        except (struct.error, IndexError, TypeError):
            # Not even the header is whole, or this is no batch.
            return MARK.startswith(bytes(self.data[begin : begin + len(MARK)]))

    def _header(self, begin: int) -> tuple[int, bool]:
        """Where a batch ends, and whether it is compressed; any of these errors if it is none."""
        data = self.data
        mark, length = struct.unpack_from("<4si", data, begin)
        table = begin + WORD
        (root,) = struct.unpack_from("<I", data, table)
        message = table + root
        if mark != MARK or length < 0 or data[_field(data, message, 1)] != BATCH:
            raise TypeError("no batch")
        place = _field(data, message, 2)
        (offset,) = struct.unpack_from("<I", data, place)
        length_of_body = _field(data, message, 3)  # None where that is 0
        body = struct.unpack_from("<q", data, length_of_body)[0] if length_of_body else 0
        is_compressed = _field(data, place + offset, COMPRESSION) is not None
        return table + length + max(body, 0), is_compressed


def _field(data: memoryview, table: int, number: int) -> Any:
    """Where a field of a table in a flatbuffer lies; None if the table has no such field."""
    (back,) = struct.unpack_from("<i", data, table)
    (size,) = struct.unpack_from("<H", data, table - back)
    if 4 + 2 * number >= size:
        return None
    (offset,) = struct.unpack_from("<H", data, table - back + 4 + 2 * number)
    return table + offset if offset else None
