"""The checksum of a batch of `steps.arrow`, in the header of its message."""

import io
import zlib

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
    words = np.frombuffer(message[body:], np.uint64)
    (message[digits : digits + len(BLANK)],) = checksums_of(BY_PLACE, head, words[None])
    return message


def unsealed(header: bytes) -> bytes:
    """A header without its checksum, if it has one."""
    digits = _digits(header)
    return header[: digits.start] + BLANK + header[digits.stop :] if digits else header


def _digits(header: bytes) -> slice | None:
    """Where the checksum stands in a header."""
    place = header.find(SEAL)
    begin = place + len(SEAL) + 1
    return slice(begin, begin + len(BLANK)) if place >= 0 else None


def alike(headers: np.ndarray, text: bytes) -> int:
    """How many headers [batches, bytes], from the first on, are this one but for checksums."""
    is_same = headers == np.frombuffer(text, np.uint8)
    digits = _digits(text)
    if digits:
        is_same[:, digits] = True
    return _from_first(is_same.all(axis=1))


def sound(headers: np.ndarray, bodies: np.ndarray, text: bytes, head: int) -> int:
    """How many batches, from the first on, have the checksum that they bring.

    Args:
        headers: the bytes of the headers [batches, bytes], which are alike.
        bodies: the words of the bodies [batches, words].
        text: a header without its checksum.
        head: the checksum of columns and header.
    """
    digits = _digits(text)
    if digits is None:
        return 0
    found = checksums_of(text[digits.start - 1 : digits.start], head, bodies)
    pairs = zip(headers[:, digits], found, strict=True)
    return _from_first(np.array([brought.tobytes() == made for brought, made in pairs]))


def _from_first(holds: np.ndarray) -> int:
    """How many are true before the first that is not."""
    return len(holds) if holds.all() else int(holds.argmin())


def head_checksum(columns: bytes, header: bytes) -> int:
    """A CRC of the columns and of a header without checksum."""
    return zlib.crc32(header, zlib.crc32(columns))


def checksums_of(kind: bytes, head: int, bodies: np.ndarray) -> list[bytes]:
    """For each body [batches, words] the CRC of columns and header, and two of the body.

    The words of the body lie in rows of `LANES`: the exclusive or over the rows also shows words
    that changed places, unless in one column. A CRC of the whole body would make reading a run
    three times as slow.
    Batches of the kind `ANYWHERE`, of an earlier version, have one exclusive or of all words.
    """
    if kind == ANYWHERE:
        sums = np.bitwise_xor.reduce(bodies, axis=1).tolist()
        return [b"%08x%016x" % (head, one) for one in sums]
    whole = bodies.shape[1] // LANES * LANES
    lanes = np.bitwise_xor.reduce(bodies[:, :whole].reshape(len(bodies), -1, LANES), axis=1)
    pairs = zip(lanes, bodies[:, whole:], strict=True)
    return [b"%08x%08x%08x" % (head, zlib.crc32(row), zlib.crc32(rest)) for row, rest in pairs]


def text_of(schema: pa.Schema) -> bytes:
    """Names and types of the columns."""
    return str(schema).encode()
