"""The line of a run: which weights a verdict compares, and how high the signal is at each depth."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from keraskip.analysis.profiles import BACKWARD_ROLES, SMALLEST, hidden_weights
from keraskip.analysis.rounding import null_weights
from keraskip.analysis.windows import MOST, has_gradient
from keraskip.runs import Run


@dataclass(frozen=True, eq=False)
class Line:
    """Weights of one kind in the hidden layers; one height for each depth.

    A bias is compared with biases, a beta with betas, a kernel with kernels. The biases inside of
    attention have two axes and are a kind by themselves. Weights side by side count as one.

    Attributes:
        run: the run.
        signal: `"backward"` or `"kernel"`.
        columns: of the weights [N], in the order of depth.
        output: columns of the same kind in the last layer; may be empty.
        share: the exponent of the number of positions by which gradients are divided. 0 leaves the
            sums over positions as they are, as updates see them. 1 gives the signal at one position
            if all are of one sign, 1/2 if signs are random.
    """

    run: Run
    signal: str
    columns: np.ndarray
    output: np.ndarray
    share: float = 0.0

    @cached_property
    def depth(self) -> np.ndarray:
        """The depths [D], the first one nearest to the input."""
        return np.unique(self._depths)

    @cached_property
    def _depths(self) -> np.ndarray:
        return self.run.weights["depth"].to_numpy(float)[self.columns]

    @cached_property
    def layers(self) -> list[str]:
        """The name of a layer at each depth [D]."""
        names = self.run.weights["layer"].to_numpy()[self.columns]
        return [str(names[self._depths == depth][0]) for depth in self.depth]

    @property
    def ends(self) -> tuple[str, str] | None:
        """The layers between which the attenuation is; None where there is nothing to compare."""
        if len(self.depth) > 1:
            return self.layers[-1], self.layers[0]
        if not len(self.output) or not len(self.depth):
            return None
        return str(self.run.weights["layer"][self.output[0]]), self.layers[0]

    def heights(self, rows: np.ndarray) -> np.ndarray:
        """log10 of the RMS gradient at each depth, in some rows of the run [S, D]."""
        norms = self._norms(rows, self.columns)
        sizes = self.run.weights["size"].to_numpy(float)[self.columns]
        is_here = self._depths[:, None] == self.depth
        squares = (norms / 10 ** self._log_positions(self.columns)) ** 2 @ is_here
        return _without_strays(np.sqrt(squares / (sizes @ is_here)))

    def above(self, rows: np.ndarray) -> np.ndarray | None:
        """log10 of the ratio of the output's gradient to the last hidden layer's, by norms [S].

        Norms, because a gradient that goes from few units to many spreads over them: each gets
        less, and the norm stays (Glorot & Bengio 2010). None where one of them is not known.
        """
        last = self.columns[self._depths == self.depth[-1]] if len(self.columns) else self.columns
        if not len(last) or not len(self.output):
            return None
        norms = [
            np.sqrt((self._norms(rows, each) ** 2).sum(axis=1)) for each in (self.output, last)
        ]
        upper, lower = (_without_strays(each[:, None])[:, 0] for each in norms)
        both = self._log_positions(np.array([self.output[0], last[0]]))
        return upper - lower - (both[0] - both[1])

    def _norms(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The norms of gradients [S, columns]; a missing gradient is one of 0."""
        return np.nan_to_num(self.run.grad_norm[rows][:, columns].astype(float))

    def per_position(self, share: float) -> "Line":
        """The same line with another `share`."""
        return replace(self, share=share)

    @cached_property
    def has_maps_of_many_sizes(self) -> bool:
        """Whether the numbers of positions are known, and differ."""
        known = self._positions
        columns = [*self.columns, *self.output]
        return not known[columns].isna().any() and known[columns].nunique() > 1

    @cached_property
    def _positions(self) -> pd.Series:
        unknown = pd.Series(np.nan, self.run.weights.index)
        return self.run.weights.get("positions", unknown).astype(float)

    def _log_positions(self, columns: np.ndarray) -> np.ndarray:
        """log10 of the number that the gradient of each weight is divided by."""
        if not self.share:
            return np.zeros(len(columns))
        return self.share * np.log10(self._positions.to_numpy()[columns])


def line_of(run: Run, left_out: Collection[str] = ()) -> Line:
    """The line of a run.

    The backward signal tells most. Networks of few biases are judged by their kernels.

    Args:
        run: a run.
        left_out: layers that do not count, such as heads that are not trained.
    """
    counts = ~run.weights["layer"].isin(list(left_out)).to_numpy()
    is_end = _last(run)
    found = {}
    for signal in ("backward", "kernel"):
        shown = hidden_weights(run, signal)
        found[signal] = _widest_kind(run, shown[counts[shown] & ~is_end[shown]])
    covered = {name: run.weights["depth"][columns].nunique() for name, columns in found.items()}
    hidden = hidden_weights(run, "kernel")
    depths = run.weights["depth"][hidden[counts[hidden]]].nunique()
    signal = "backward" if 2 * covered["backward"] >= max(depths, 1) else "kernel"
    columns = found[signal]
    depth = run.weights["depth"]
    is_deepest = (depth == depth[counts].max()).to_numpy()
    output = np.flatnonzero(is_end & is_deepest & counts & has_gradient(run) & ~null_weights(run))
    if len(columns):
        roles, shapes = run.weights["role"], run.weights["shape"]
        kind = _kind(roles[columns[0]], shapes[columns[0]])
        output = output[[_kind(roles[each], shapes[each]) == kind for each in output]]
    return Line(run, signal, columns, output if len(columns) else columns)


def _last(run: Run) -> np.ndarray:
    """Whether the layer of each weight is the last one on its way [W]."""
    weights = run.weights
    is_deepest = (weights["depth"] >= run.info.get("depth", weights["depth"].max())).to_numpy()
    return is_deepest | (weights["last"].eq(True).to_numpy() if "last" in weights else False)


def _widest_kind(run: Run, columns: np.ndarray) -> np.ndarray:
    """The columns of the kind with the most depths; of several such kinds, the plainest."""
    roles, shapes = (run.weights[name].tolist() for name in ("role", "shape"))
    kinds = [_kind(roles[column], shapes[column]) for column in columns]
    depths = run.weights["depth"].to_numpy()[columns]
    widths = {
        kind: len({depth for each, depth in zip(kinds, depths, strict=True) if each == kind})
        for kind in dict.fromkeys(kinds)
    }
    widest = max(widths, key=lambda kind: (widths[kind], -kind[1]), default=None)
    return columns[[kind == widest for kind in kinds]] if len(columns) else columns


def _kind(role: str, shape: Sequence[int]) -> tuple[str, int]:
    """The kind of a weight: its role and, of a bias, its axes."""
    return role, len(shape) if role in BACKWARD_ROLES else 0


def _without_strays(rms: np.ndarray) -> np.ndarray:
    """log10 of these numbers [S, D], with other numbers in the place of stray zeros.

    A layer that gets nothing in a few steps, such as a branch that begins at zero, has the mean of
    its other steps there. One that gets nothing as a rule has the smallest number of float32.
    """
    log = np.log10(np.maximum(rms, SMALLEST))
    is_zero = rms == 0
    strays = is_zero & (is_zero.mean(axis=0) < MOST)
    if strays.any():
        means = np.nanmean(np.where(strays, np.nan, log), axis=0)
        log = np.where(strays, means, log)
    return log
