"""The checksum of a batch of `steps.arrow`, in the header of its message."""

import io
import zlib
from typing import Any

import numpy as np
import pyarrow as pa

# Stands in the header of each batch, before a byte for the kind of its checksum, and its digits.
SEAL, KEY = b"keraskip", b"seal"
BY_PLACE, ANYWHERE = b"+", b":"
# No power of two, as blocks of a disk that change places lie at multiples of one.
LANES = 521
BLANK = b"0" * 24
# A message begins with a mark of four bytes and the length of its header.
WORD = 8


def sealed(rows: pa.RecordBatch) -> memoryview:
    """A batch as a message of an Arrow stream, with a checksum in its header."""
    file, schema = io.BytesIO(), rows.schema
    with pa.ipc.new_stream(file, schema) as stream:
        stream.write_batch(rows, custom_metadata={KEY: SEAL + BY_PLACE + BLANK})
        end = file.tell()
    message = file.getbuffer()[len(schema.serialize()) : end]
    body = WORD + int.from_bytes(message[4:WORD], "little")
    header = bytes(message[:body])
    head, digits = head_checksum(text_of(schema), header), header.index(BLANK)
    message[digits : digits + len(BLANK)] = checksum_of(BY_PLACE, head, message[body:])
    return message


def unsealed(header: bytes) -> tuple[bytes, bytes, bytes]:
    """A header without its checksum, the kind of that, and the checksum; both empty without one."""
    place = header.find(SEAL)
    if place < 0:
        return header, b"", b""
    digits = place + len(SEAL) + 1
    after = digits + len(BLANK)
    kind, checksum = header[digits - 1 : digits], header[digits:after]
    return header[:digits] + BLANK + header[after:], kind, checksum


def head_checksum(columns: bytes, header: bytes) -> int:
    """A CRC of the columns and of a header without checksum."""
    return zlib.crc32(header, zlib.crc32(columns))


def checksum_of(kind: bytes, head: int, body: Any) -> bytes:
    """The CRC of columns and header, and two of the body, whole words.

    The words of the body lie in rows of `LANES`: the exclusive or over the rows also shows words
    that changed places, unless in one column. A CRC of the whole body would make reading a run
    three times as slow.
    Batches of the kind `ANYWHERE`, of an earlier version, have one exclusive or of all words.
    """
    words = np.frombuffer(body, np.uint64)
    if kind == ANYWHERE:
        return b"%08x%016x" % (head, int(np.bitwise_xor.reduce(words)))
    whole = len(words) // LANES * LANES
    lanes = np.bitwise_xor.reduce(words[:whole].reshape(-1, LANES), axis=0)
    return b"%08x%08x%08x" % (head, zlib.crc32(lanes.data), zlib.crc32(words[whole:].data))


def text_of(schema: pa.Schema) -> bytes:
    """Names and types of the columns."""
    return str(schema).encode()
