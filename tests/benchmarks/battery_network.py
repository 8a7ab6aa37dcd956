"""A row of the battery, and what makes rows of a fault."""

from typing import Any, NamedTuple

SGD, ADAM = "keras.optimizers.SGD", "keras.optimizers.Adam"
# 200 steps, unless a network says otherwise.
EPOCHS = 5
# Twenty sigmoid layers: the textbook case of a signal that vanishes.
DEEP: dict[str, Any] = {"depth": 20, "activation": "sigmoid", "initializer": "glorot_uniform"}


class Network(NamedTuple):
    """A training, and what has to be said about it; written down before it is run.

    Attributes:
        name: unique in the battery.
        fault: the name of what is wrong; `sound` for nothing.
        changes: the values of the recipe.
        kinds: the kinds of finding that are right as the first one.
        layer: the layer to blame, if there is one.
        curable: whether something can be typed in that makes it learn.
    """

    name: str
    fault: str
    changes: dict[str, Any]
    kinds: tuple[str, ...] = ()
    layer: str | None = None
    curable: bool = True

    @property
    def family(self):
        return self.changes.get("family", "dense")


def faulty(fault, kinds, *rows, curable=True):
    """The networks with a fault; a row is a name, changes and, if there is one, the layer."""
    return [
        Network(name, fault, changes, kinds, *layer, curable=curable)
        for name, changes, *layer in rows
    ]
