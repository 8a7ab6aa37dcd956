"""Where the numbers of a batch lie in its message: the same for all batches with one header."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

# The longest list that numpy takes for one number of a row.
LONGEST = 2**29 - 1


class Layout(NamedTuple):
    """What the header of a message says.

    Attributes:
        rows: the number of steps.
        columns: a field for each column, by its number; it has the size of the message.
        head: the checksum of columns and header.
    """

    rows: int
    columns: np.dtype
    head: int


def layout_of(message: pa.Buffer, schema: pa.Schema, head: int) -> Layout | None:
    """The layout of a message with a batch; None if it is damaged, or lacks a number.

    Arrow reads it, and shares its bytes.
    """
    try:
        rows = pa.ipc.read_record_batch(message, schema)
        # Its header may claim more rows than it has.
        rows.validate()
        kinds = numbers_of(schema)
        columns = np.dtype(
            {
                "names": [*map(str, kinds)],
                "formats": [(kind, (len(rows),)) for kind in kinds.values()],
                "offsets": [_place(rows.column(number), message) for number in kinds],
                "itemsize": message.size,
            }
        )
    except (EOFError, pa.ArrowException, OSError, ValueError):
        return None
    # Columns that share bytes could have any number of rows.
    size = len(rows) * sum(kind.itemsize for kind in kinds.values())
    return Layout(len(rows), columns, head) if size <= message.size else None


def numbers_of(schema: pa.Schema) -> dict[int, np.dtype]:
    """The numbers of a step in each column, by its number, without columns that no run has."""
    known = {pa.float32(): np.float32, pa.int64(): np.int64}
    kinds = {}
    for number, field in enumerate(schema):
        is_list = pa.types.is_fixed_size_list(field.type)
        kind = known.get(field.type.value_type if is_list else field.type)
        if kind and (not is_list or field.type.list_size <= LONGEST):
            kinds[number] = np.dtype((kind, (field.type.list_size,) if is_list else ()))
    return kinds


def _place(column: pa.Array, message: pa.Buffer) -> int:
    """The first byte of a column; ValueError if a number lacks."""
    *nulls, numbers = column.buffers()
    # Whoever wrote a row had a number for each column, and so no map of the ones that lack.
    if any(nulls):
        raise ValueError("a number lacks")
    return numbers.address - message.address if len(column) else 0
