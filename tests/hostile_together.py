"""A door that stands for the ones that take Keras, and no files that only Keras writes."""

from hostile_doors import DOORS as ALL
from hostile_doors import import_keras
from hostile_workers import Door

QUICK = ("names", "command lines", "builders")


def quick(draw, folder, samples):
    """An input of one of these doors."""
    name = draw.choice(QUICK)
    said, action = ALL[name].make(draw, folder, samples)
    return f"{name}: {said}", action


# In one process, as each imports Keras.
DOORS = {"quick": Door(600, quick, import_keras)}
