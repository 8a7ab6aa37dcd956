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


def sealed(rows: pa.RecordBatch) -> bytes:
    """A batch as a message of an Arrow stream, with a checksum in its header."""
    file, schema = io.BytesIO(), rows.schema
    with pa.ipc.new_stream(file, schema) as stream:
        stream.write_batch(rows, custom_metadata={KEY: SEAL + BY_PLACE + BLANK})
        message = file.getvalue()[len(schema.serialize()) : file.tell()]
    body = WORD + int.from_bytes(message[4:WORD], "little")
    checksum = checksum_of(BY_PLACE, text_of(schema), message[:body], message[body:])
    return message[:body].replace(BLANK, checksum, 1) + message[body:]


def checksum_of(kind: bytes, columns: bytes, header: bytes, body: Any) -> bytes:
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


def text_of(schema: pa.Schema) -> bytes:
    """Names and types of the columns."""
    return str(schema).encode()
