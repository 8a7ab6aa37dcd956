"""The batches of `steps.arrow`: sealed when they are written, checked when they are read."""

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

# Stands in the header of each batch, before a byte for the kind of its checksum, and its digits.
SEAL, KEY = b"keraskip", b"seal"
BY_PLACE, ANYWHERE = b"+", b":"
# No power of two, as blocks of a disk that change places lie at multiples of one.
LANES = 521
BLANK = b"0" * 24
# A flipped bit may say that the other bytes come first.
AS_STORED = pa.ipc.IpcReadOptions(ensure_native_endian=False)
# Each message of an Arrow stream begins with it, at a multiple of 8 bytes.
MARK = b"\xff\xff\xff\xff"
MARKS = re.compile(re.escape(MARK))
WORD = 8
# In the header of a message: the kind of a batch, and a field of its table.
BATCH, COMPRESSION = 3, 3


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


def sealed(rows: pa.RecordBatch) -> bytes:
    """A batch as a message of an Arrow stream, with a checksum in its header."""
    file, schema = io.BytesIO(), rows.schema
    with pa.ipc.new_stream(file, schema) as stream:
        stream.write_batch(rows, custom_metadata={KEY: SEAL + BY_PLACE + BLANK})
        message = file.getvalue()[len(schema.serialize()) : file.tell()]
    body = WORD + int.from_bytes(message[4:WORD], "little")
    checksum = _checksum(BY_PLACE, _text(schema), message[:body], message[body:])
    return message[:body].replace(BLANK, checksum, 1) + message[body:]


def read_batches(path: Path, data: pa.Buffer) -> Batches:
    """Reads the whole batches of a file, also behind damaged ones.

    Args:
        path: the file.
        data: its bytes.

    A batch of an older version has no checksum; only its form shows whether it is whole.

    Raises:
        ValueError: if the file is no uncompressed Arrow stream.
    """
    file = _File(path, data)
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


class _File:
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
            self._columns = _text(self.schema)
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
        return found == _checksum(kind, self._columns, blank, body)

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


def _checksum(kind: bytes, columns: bytes, header: bytes, body: Any) -> bytes:
    """A CRC of the columns and the header, and two of the body.

    The words of the body lie in rows of `LANES`: the exclusive or over the rows also shows words
    that changed places, unless in one column. A CRC of the whole body would make reading a run
    three times as slow.
    Batches of the kind `ANYWHERE`, of an earlier version, have one exclusive or of all words.
    """
    crc = zlib.crc32(header, zlib.crc32(columns))
    words = np.frombuffer(body, np.uint64)
    if kind == ANYWHERE:
        return f"{crc:08x}{int(np.bitwise_xor.reduce(words)):016x}".encode()
    whole = len(words) // LANES * LANES
    lanes = np.bitwise_xor.reduce(words[:whole].reshape(-1, LANES), axis=0)
    parts = crc, zlib.crc32(lanes.tobytes()), zlib.crc32(words[whole:].tobytes())
    return "".join(f"{part:08x}" for part in parts).encode()


def _text(schema: pa.Schema) -> bytes:
    """Names and types of the columns."""
    return str(schema).encode()
