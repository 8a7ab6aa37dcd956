"""The parts of a run: weights that are trained together, as the two networks of a GAN are."""

from collections.abc import Sequence

import numpy as np


def parts_of(
    present: np.ndarray, optimizer: np.ndarray
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """The optimizer, rows and columns of each set of weights that are trained together, in order.

    Weights are trained together if one step of one optimizer has gradients for both.

    Args:
        present: where a weight got a gradient [S, W].
        optimizer: number of the optimizer of each step [S].
    """
    found = []
    for number in np.unique(optimizer).astype(int):
        here = present & (optimizer == number)[:, None]
        labels = _joined(here)
        for label in np.unique(labels[here.any(axis=0)]):
            columns = np.flatnonzero(labels == label)
            found.append((int(number), np.flatnonzero(here[:, columns].any(axis=1)), columns))
    return sorted(found, key=lambda part: (part[0], part[1][0]))


def _joined(here: np.ndarray) -> np.ndarray:
    """A number for each weight [W], the same where a chain of steps has gradients for both."""
    # As a rule a step has all gradients; the product takes a second of a long run.
    if here.all(axis=1).any():
        return np.zeros(here.shape[1], int)
    from scipy.sparse.csgraph import connected_components

    return connected_components(here.T.astype("float32") @ here.astype("float32"))[1]


def named_parts(
    present: np.ndarray, optimizer: np.ndarray, optimizers: Sequence[str], paths: Sequence[str]
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The same sets, each by the name of its optimizer or, of one for several, of its network.

    Args:
        present: see `parts_of`.
        optimizer: see `parts_of`.
        optimizers: the names of the optimizers' attributes, such as `critic_optimizer`.
        paths: of the weights [W].
    """
    found = parts_of(present, optimizer)
    numbers = [number for number, _, _ in found]
    names: list[str] = []
    for number, _, columns in found:
        name = paths[columns[0]].split("/")[0]
        if numbers.count(number) == 1:
            name = optimizers[number].removesuffix("_optimizer") if optimizers else "optimizer"
        names.append(f"{name} {len(names)}" if name in names else name)
    return [(name, rows, columns) for name, (_, rows, columns) in zip(names, found, strict=True)]
