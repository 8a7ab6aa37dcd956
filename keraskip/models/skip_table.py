"""What `add_skips` did, as a table of text, or why it did nothing, as a sentence."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras

from keraskip.models.stretches import Stretch, Wish
from keraskip.tables import add_row, new_table, printed


def nothing_to_do(model: keras.Model, rows: Sequence[tuple[str, Stretch]], wish: Wish) -> str:
    """Why no stretch gets a skip, with the number of layers for each reason."""
    counts: Counter[str] = Counter()
    for _, stretch in rows:
        counts[stretch.reason] += sum(step.kernels for step in stretch.steps)
    reasons = "; ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return (
        f"add_skips needs a stretch of every={wish.every} layers with a kernel that keeps the "
        f"shape. Received: model {model.name!r}, whose layers with a kernel give no room: "
        f"{reasons or 'it has none'}"
    )


def table_of(model: keras.Model, rows: Sequence[tuple[str, Stretch]], wish: Wish) -> str:
    """A line for each stretch, with its skip or why it has none."""
    count = sum(not stretch.reason for _, stretch in rows)
    table = new_table()
    for heading in ("from", "to", "input", "output", "skip"):
        table.add_column(heading)
    for path, stretch in rows:
        own = [path + step.layer.name for step in stretch.steps if step.kernels]
        shapes = _shape(stretch.start), _shape(stretch.end)
        add_row(table, own[0], own[-1], *shapes, _kind(stretch, wish))
    return f"Skips in {model.name!r}: {count}\n\n{printed(table)}"


def _shape(tensor: Any) -> str:
    return " x ".join("?" if size is None else str(size) for size in tensor.shape[1:])


def _kind(stretch: Stretch, wish: Wish) -> str:
    if stretch.reason:
        return f"none: {stretch.reason}"
    if wish.how == "concatenate":
        return "concatenation"
    is_identity = stretch.shapes[0] == stretch.shapes[1]
    return "identity" if is_identity else f"shortcut {wish.project}"
