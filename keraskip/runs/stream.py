"""The bytes of an Arrow stream; any of them may be damaged."""

import re
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa

from keraskip.runs.seals import BLANK, KEY, SEAL, WORD, checksum_of, text_of

# A flipped bit may say that the other bytes come first.
AS_STORED = pa.ipc.IpcReadOptions(ensure_native_endian=False)
# Each message begins with it, at a multiple of `WORD` bytes.
MARK = b"\xff\xff\xff\xff"
MARKS = re.compile(re.escape(MARK))
# In the header of a message: the kind of a batch, and a field of its table.
BATCH, COMPRESSION = 3, 3


class StreamBytes:
    """The bytes of an Arrow stream.

    Attributes:
        data: the bytes.
        schema: the columns.
        begin: where the first batch begins.
        is_compressed: whether a batch was met that is, or seems, compressed.
    """

    def __init__(self, path: Path, data: pa.Buffer) -> None:
        self._buffer, self.data = data, memoryview(data).cast("B")
        source = pa.BufferReader(data)
        try:
            self.schema = pa.ipc.open_stream(source, options=AS_STORED).schema
            self._columns = text_of(self.schema)
            _ = self.schema.names
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise ValueError(f"{path} is damaged: it does not begin as an Arrow stream.") from error
        self.begin = source.tell()
        self._is_sealed = self.is_compressed = False

    def batch(self, begin: int, end: int) -> pa.RecordBatch | None:
        """The batch between these bytes; None if it is damaged."""
        header = bytes(self.data[begin : self._body(begin)])
        place = header.find(SEAL)
        # An older version may have begun the run, and a newer one gone on with it. A flipped bit in
        # either of both words leaves the other.
        if place >= 0 or KEY in header or self._is_sealed:
            self._is_sealed = True
            if place < 0 or not self._is_whole(header, place + len(SEAL) + 1, begin, end):
                return None
        try:
            # Shares the bytes of the file, as copies of them would add up where much is damaged.
            rows = pa.ipc.read_record_batch(self._buffer.slice(begin, end - begin), self.schema)
            # Its header may claim more rows than it has.
            rows.validate()
        except (EOFError, pa.ArrowException, OSError):
            return None
        # Whoever wrote a row had a number for each column. To look takes longer than the checksum.
        is_known = self._is_sealed or not any(column.null_count for column in rows)
        return rows if is_known else None

    def _body(self, begin: int) -> int:
        """Where the body begins of the message that begins here."""
        return begin + WORD + int.from_bytes(self.data[begin + 4 : begin + WORD], "little")

    def _is_whole(self, header: bytes, digits: int, begin: int, end: int) -> bool:
        """Whether a batch has the checksum in its header."""
        found, after = header[digits : digits + len(BLANK)], digits + len(BLANK)
        body = self.data[begin + len(header) : end]
        if after > len(header) or len(body) % WORD:
            return False
        kind, blank = header[digits - 1 : digits], header[:digits] + BLANK + header[after:]
        return found == checksum_of(kind, self._columns, blank, body)

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
            end = self.end_of(begin) if begin % WORD == 0 else None
            if end and self.batch(begin, end) is not None:
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
        (body,) = struct.unpack_from("<q", data, _field(data, message, 3))
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
