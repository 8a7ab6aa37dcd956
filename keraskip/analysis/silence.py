"""Layers that get no gradient: which, since when, and whether they should get one."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from keraskip.analysis.profiles import BACKWARD_ROLES
from keraskip.analysis.rounding import clearly_alive
from keraskip.analysis.windows import MOST, late_steps, since, sound_steps
from keraskip.runs import Run

# A bias this many times as large as is usual in its network has run away.
RUN_AWAY = 10.0
# An RMS of weights from which on units may be saturated before the first step.
LARGE_WEIGHT = 1.0


@dataclass(frozen=True, eq=False)
class Silence:
    """The layers that get gradients of exactly 0, or none at all, in most of the last steps.

    TensorFlow has no gradient where JAX has zeros, so the two are the same here.
    """

    run: Run

    @cached_property
    def _rows(self) -> np.ndarray:
        return sound_steps(self.run)

    @cached_property
    def _quiet(self) -> np.ndarray:
        """Whether a weight got nothing, for each sound step and weight."""
        return self.run.missing[self._rows] | (self.run.grad_norm[self._rows] == 0)

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        """The columns of each layer, in the order of depth."""
        names = self.run.weights["layer"].to_numpy()
        return {name: np.flatnonzero(names == name) for name in dict.fromkeys(names)}

    @cached_property
    def layers(self) -> list[str]:
        """The silent layers, in the order of depth."""
        late = self._quiet[len(self._rows) - len(late_steps(self.run)) :]
        if not len(late):
            return []
        return [
            name
            for name, columns in self._columns.items()
            if late[:, columns].all(axis=1).mean() >= MOST
        ]

    @property
    def is_everywhere(self) -> bool:
        """Whether no layer gets a gradient."""
        return bool(self.layers) and len(self.layers) == len(self._columns)

    def since(self, layers: list[str]) -> int | None:
        """The step since which all of these layers are silent."""
        columns = np.concatenate([self._columns[name] for name in layers])
        return since(self.run, self._rows, self._quiet[:, columns].all(axis=1))

    @cached_property
    def is_graph_known(self) -> bool:
        """Whether the run says which layers lie before each one."""
        weights = self.run.weights
        is_called = ~weights["layer"].isin(self.uncalled)
        if not {"after", "last"} <= set(weights) or weights["after"][is_called].isna().any():
            return False
        return all(
            self._behind_by_graph[name] or weights["last"][columns[0]]
            for name, columns in self._columns.items()
            if name not in self.uncalled
        )

    @cached_property
    def uncalled(self) -> list[str]:
        """Layers that `call` never reaches: they are in no way, and other layers are."""
        after = self.run.weights.get("after")
        if after is None or after.isna().all():
            return []
        unknown = set(self.run.weights["layer"][after.isna()])
        return [name for name in self.layers if name in unknown and self._never(name)]

    @cached_property
    def _behind_by_graph(self) -> dict[str, list[str]]:
        behind: dict[str, list[str]] = {name: [] for name in self._columns}
        for name, columns in self._columns.items():
            for before in self.run.weights["after"][columns[0]] or ():
                behind.setdefault(before, []).append(name)
        return behind

    @cached_property
    def behind(self) -> dict[str, list[str]]:
        """The next layers behind each one; without a graph, the layers of the next depth."""
        if self.is_graph_known:
            return self._behind_by_graph
        depth = {name: self.run.weights["depth"][c[0]] for name, c in self._columns.items()}
        depths = sorted(set(depth.values()))
        following = dict(zip(depths, [*depths[1:], None], strict=True))
        return {
            name: [other for other in depth if depth[other] == following[depth[name]]]
            for name in depth
        }

    @cached_property
    def heads(self) -> list[str]:
        """Silent layers that lead to silent ends alone, from the first step on: not trained.

        Layers that are never called count among them.
        """
        found = list(self.uncalled)
        if self.is_everywhere or not self.is_graph_known:
            return found
        for name in reversed([name for name in self._columns if name not in self.uncalled]):
            leads_on = any(each not in found for each in self.behind[name])
            if name in self.layers and not leads_on and self._never(name):
                found.insert(0, name)
        return found

    def _never(self, name: str) -> bool:
        return bool(self._quiet[:, self._columns[name]].all())

    @cached_property
    def blocked(self) -> list[str]:
        """Silent layers below one with a signal that is too large for an underflow."""
        alive = clearly_alive(self.run)
        found: list[str] = []
        for name in reversed(self._columns):
            if name in self.layers and name not in self.heads:
                behind = self.behind[name]
                if any(each in found or self._signal(each) > alive for each in behind):
                    found.insert(0, name)
        return found

    @property
    def underflowed(self) -> list[str]:
        """Silent layers whose gradients may be too small for a number."""
        return [name for name in self.layers if name not in {*self.heads, *self.blocked}]

    def _signal(self, name: str) -> float:
        """The largest late RMS gradient among the weights of a layer."""
        if name in self.layers:
            return 0.0
        columns = self._columns[name]
        size = self.run.weights["size"].to_numpy(float)[columns]
        return float(np.nanmax(self.run.grad_norm[late_steps(self.run)][:, columns] / size**0.5))

    @cached_property
    def top(self) -> list[str]:
        """The blocked layers right below one that gets a gradient."""
        return [
            name
            for name in self.blocked
            if any(each not in self.layers for each in self.behind[name])
        ]

    @cached_property
    def answers_zero(self) -> bool:
        """Whether the blocked layers answer 0 to everything.

        The kernel behind then gets no gradient either, since its input is 0. Where that kernel gets
        one, and has no other input, the answer is not 0: its slope is, or the gradient is cut off.
        """
        if lone_sample(self.run):
            return False
        roles, shapes = self.run.weights["role"], self.run.weights["shape"]
        late = self._quiet[len(self._rows) - len(late_steps(self.run)) :]
        for name in self.top if self.is_graph_known else []:
            for behind in self.behind[name]:
                columns = self._columns[behind]
                is_kernel = [len(shapes[c]) > 1 and roles[c] not in BACKWARD_ROLES for c in columns]
                kernels = columns[is_kernel]
                is_only = len(self.run.weights["after"][columns[0]]) == 1
                if len(kernels) and is_only and late[:, kernels].mean() < MOST:
                    return False
        return True

    @cached_property
    def culprit(self) -> tuple[str, float] | None:
        """The blocked layer whose bias ran away, with the RMS of the bias, if there is one."""
        weights, late = self.run.weights, late_steps(self.run)
        biases = np.flatnonzero(weights["role"].isin(BACKWARD_ROLES))
        if not len(late) or not len(biases):
            return None
        rms = self.run.weight_norm[late[-1]][biases] / np.sqrt(weights["size"].to_numpy()[biases])
        if not np.isfinite(rms).any():
            return None
        is_blocked = weights["layer"].isin(self.blocked).to_numpy()[biases]
        usual = max(1.0, float(np.nanmedian(rms)))
        worst = int(np.argmax(np.where(is_blocked, rms, 0)))
        if not rms[worst] > RUN_AWAY * usual or not is_blocked[worst]:
            return None
        return str(weights["layer"][biases[worst]]), float(rms[worst])

    @cached_property
    def cut_off(self) -> list[str]:
        """Blocked layers from which something takes the gradient, such as a `stop_gradient`.

        They never had one, they do not answer 0, and their weights are no larger than usual, so
        that nothing is saturated. JAX has zeros there, where other backends have no gradient.
        """
        if not self.blocked:
            return []
        columns = np.flatnonzero(self.run.weights["layer"].isin(self.blocked))
        sizes = self.run.weights["size"].to_numpy(float)[columns]
        rms = self.run.weight_norm[late_steps(self.run)][:, columns] / np.sqrt(sizes)
        is_usual = self.culprit is None and np.nan_to_num(rms).max(initial=0) < LARGE_WEIGHT
        never = all(self._never(name) for name in self.blocked)
        return self.blocked if never and is_usual and not self.answers_zero else []


def few(layers: list[str]) -> str:
    """Some layers, in the order of depth, in a sentence."""
    return layers[0] if len(layers) == 1 else f"{len(layers)} layers, the last one {layers[-1]},"


def lone_sample(run: Run) -> str:
    """The last batch normalisation that gets one number for a unit; empty if none does.

    The mean of one number is that number, so its shift is the answer to every sample, and no layer
    in front of it gets a gradient. Where one does, the moving mean is subtracted instead.
    """
    seen = (run.info.get("labels_after") or [{}])[-1]
    counts = [row.get("count", 0) for row in seen.get("labels") or []]
    weights, calls = run.weights, run.info.get("calls") or []
    # Each optimizer has a row of its own for a batch.
    batches = seen.get("steps", 0) / max(1, len(run.info.get("optimizers") or []))
    if not counts or max(counts) > batches or "positions" not in weights:
        return ""
    names = weights["layer"].str.split("/").str[-1]
    positions = dict(zip(names, weights["positions"], strict=True))
    pairs = zip(calls, run.info.get("kinds") or [], strict=False)
    found = [name for name, kind in pairs if kind == "BatchNormalization"]
    lone = [name for name in reversed(found) if positions.get(name) == 1]
    return next((name for name in lone if _is_silent_before(run, names, name)), "")


def _is_silent_before(run: Run, names: pd.Series, name: str) -> bool:
    """Whether no layer in front of one of these names ever gets a gradient; True if there is none.

    In front are the layers that it comes after or, without a graph, those of the next depth.
    """
    depth, is_it = run.weights["depth"], (names == name).to_numpy()
    after = run.weights["after"][is_it].iloc[0] if "after" in run.weights else None
    if isinstance(after, list):
        is_before = run.weights["layer"].isin(after).to_numpy()
    else:
        is_before = (depth == depth[depth < depth[is_it].min()].max()).to_numpy()
    rows = sound_steps(run)
    return not (np.nan_to_num(run.grad_norm[rows][:, is_before]) > 0).any()
