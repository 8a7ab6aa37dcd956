"""The layers and blocks of a model, with their sizes and costs."""

from collections import defaultdict
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import pandas as pd

from keraskip.graph import Call, depths, trace
from keraskip.models.costs import activation_bytes_of, macs_of
from keraskip.models.positions import HEAD, Position, positions_of, role
from keraskip.tables import add_row, new_table, printed, with_unit

# The parts of a model that a row of the table may stand for, and the columns that say which.
ROWS = {"stage": ["stage"], "block": ["stage", "block"], "layer": ["layer", "role"]}
# The other columns of the frame under their headings.
HEADINGS = {
    "depth": "depth",
    "output_shape": "output",
    "parameters": "params",
    "macs": "MACs",
    "activation_bytes": "bytes",
}
ADDED = ("parameters", "macs", "activation_bytes")
# To suggest where the size of the images is open: ImageNet's.
USUAL_SIDE = 224


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The layers of a model with their sizes and costs; `anatomy` makes one.

    MACs are the multiply-accumulates of convolutions and dense layers for one image, as
    torchvision counts them: no biases, normalisations or activations.

    Attributes:
        name: name of the model.
        frame: one row for each layer, in the order of the graph. Columns: `layer`, `type`,
            `stage` and `block` (missing in the head), `role`, `depth` (layers with kernels on the
            longest way from the input through this one; `keraskip.graph` defines it),
            `output_shape` (of one image), `parameters`, `trainable` (number of trainable
            parameters), `macs` (missing for a layer that has kernels but is neither convolution
            nor dense) and `activation_bytes` (of the output for one image). A layer that is called
            several times has the position, the depth and the shape of its first call, and the sums
            of MACs and bytes.
        depth: layers with kernels on the longest way through the model.
    """

    name: str
    frame: pd.DataFrame
    depth: int

    @property
    def parameters(self) -> int:
        """Number of weights, trainable or not."""
        return int(self.frame["parameters"].sum())

    @property
    def trainable(self) -> int:
        """Number of trainable weights."""
        return int(self.frame["trainable"].sum())

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates for one image, or None if a layer has unknown ones."""
        total = self.frame["macs"].sum(skipna=False)
        return None if pd.isna(total) else int(total)

    @property
    def activation_bytes(self) -> int:
        """Size of the outputs of all layers together, for one image."""
        return int(self.frame["activation_bytes"].sum())

    def table(self, by: str = "block") -> str:
        """The frame as a table of text, with the totals below.

        Args:
            by: what a row stands for, `"stage"`, `"block"` or `"layer"`.

        Raises:
            ValueError: for anything else.
        """
        if by not in ROWS:
            raise ValueError(f"by must be one of {tuple(ROWS)}. Received: by={by!r}")
        table = new_table(footer=True)
        for index, column in enumerate(ROWS[by]):
            table.add_column(column, "" if index else "total", overflow="fold")
        for column, heading in HEADINGS.items():
            total = getattr(self, column, "")
            table.add_column(heading, _cell(column, total), justify="right")
        rows = self.frame if by == "layer" else _sums(self.frame, ROWS[by])
        for row in rows[[*ROWS[by], *HEADINGS]].to_dict("records"):
            add_row(table, *(_cell(str(column), value) for column, value in row.items()))
        unknown = self.frame.loc[self.frame["macs"].isna(), "type"].unique()
        notes = [f"The MACs of {kind} are not known." for kind in unknown]
        return "\n".join((self.name, printed(table), *notes))

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False)


def anatomy(model: keras.Model, input_shape: tuple[int, ...] | None = None) -> Anatomy:
    """Sizes and costs of every layer, computed from shapes alone; nothing runs.

    Args:
        model: any functional or built Sequential model. A nested model is taken apart, and its
            layers are called `<model>/<layer>`.
        input_shape: shape of one image, for a model whose input leaves height and width open.

    Returns:
        An `Anatomy`. `keraskip.models.positions` says how stages and blocks are counted.

    Raises:
        TypeError: for a model without a graph.
        ValueError: for an input shape that does not fit the model, or if sizes stay unknown.

    Example:

    >>> from keraskip import build_resnet
    >>> resnet = anatomy(build_resnet(20, "v1", "A"))
    >>> resnet.depth, resnet.trainable, resnet.macs
    (20, 269722, 40551040)
    """
    calls = trace(model, input_shape)
    _check_sizes(calls)
    calls_of_layer = defaultdict(list)
    depth_of_call = depths(calls).calls
    for visit in zip(calls, positions_of(calls), depth_of_call, strict=True):
        calls_of_layer[id(visit[0].layer)].append(visit)
    counted: set[int] = set()
    frame = pd.DataFrame([_row(visits, counted) for visits in calls_of_layer.values()])
    missing = {"stage": "Int64", "block": "Int64", "macs": "Int64"}
    return Anatomy(model.name, frame.astype(missing), max(depth_of_call))


def _check_sizes(calls: list[Call]) -> None:
    for call in calls:
        shape = call.outputs[0].shape[1:]
        if None in shape:
            example = tuple(side or USUAL_SIDE for side in calls[0].outputs[0].shape[1:])
            raise ValueError(
                "anatomy needs known sizes: from the model's inputs or, if it has one, by "
                f"input_shape, such as {example}. "
                f"Received: layer {call.name!r} with an output of shape {shape}"
            )


def _row(visits: list[tuple[Call, Position, int]], counted: set[int]) -> dict[str, Any]:
    """One layer with all its calls. A weight that an earlier layer counted is not counted again."""
    calls = [call for call, _, _ in visits]
    first, position, depth = visits[0]
    weights = [
        weight for weight in getattr(first.layer, "weights", []) if id(weight) not in counted
    ]
    counted.update(map(id, weights))
    macs = [macs_of(call) for call in calls]
    shapes = [tuple(tensor.shape[1:]) for tensor in first.outputs]
    return {
        "layer": first.name,
        "type": type(first.layer).__name__,
        "stage": None if position == HEAD else position.stage,
        "block": None if position == HEAD else position.block,
        "role": role(first),
        "depth": depth,
        "output_shape": shapes[0] if len(shapes) == 1 else tuple(shapes),
        "parameters": sum(_size(weight) for weight in weights),
        "trainable": sum(_size(weight) for weight in weights if weight.trainable),
        "macs": None if None in macs else sum(macs),
        "activation_bytes": sum(map(activation_bytes_of, calls)),
    }


def _size(weight: keras.Variable) -> int:
    return prod(weight.shape)


def _sums(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row for each group of layers, in the order of the graph."""
    how: dict[str, Any] = {"depth": "max", "output_shape": "last"}
    how |= dict.fromkeys(ADDED, lambda numbers: numbers.sum(skipna=False))
    return frame.groupby(by, dropna=False, sort=False).agg(how).reset_index()


def _cell(column: str, value: Any) -> str:
    """A value of the frame in a few letters."""
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    missing = value is None or value is pd.NA
    if column in ADDED:
        return with_unit(None if missing else value)
    return {"stage": "head", "block": ""}[column] if missing else str(value)
