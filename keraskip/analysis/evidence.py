"""The evidence that causes are found by: numbers of one run, each computed once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, SupportsIndex

import numpy as np

from keraskip.analysis.heads import Head, heads_of
from keraskip.analysis.learning import FEWEST_WHILE_FALLING, Learning
from keraskip.analysis.losses import Losses, losses_of
from keraskip.analysis.progress import progress_of
from keraskip.analysis.shapes import HEALTHY_ORDERS
from keraskip.analysis.updates import kernels_of, medians, thinned, update_ratios
from keraskip.analysis.verdicts import Verdict
from keraskip.analysis.windows import early_steps, late_steps, sound_steps
from keraskip.runs import Run

# Updates of this size beside their weights are usual where training goes well (Karpathy, CS231n).
USUAL_RATIO = 1e-3
# The first steps, in which too high a learning rate shows.
FIRST_STEPS = 10
TINY = 0.01
ADAPTIVE = ("adam", "rms", "ada", "nadam", "lamb", "lion", "ftrl", "muon")


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known about one run.

    Attributes:
        run: the run.
        learning: whether it learns.
        verdict: what happens to its signal.
    """

    run: Run
    learning: Learning
    verdict: Verdict

    @property
    def fails(self) -> bool:
        """Whether it is known that the network does not learn."""
        return self.learning.fails

    @property
    def may_fail(self) -> bool:
        """Whether it fails, or nobody can tell: enough for what is a fault by itself.

        A network at the end of a plateau is about to learn.
        """
        is_on_its_way = self.losses is not None and self.losses.begins_to_fall
        return self.fails or (self.learning.state == "unknown" and not is_on_its_way)

    @cached_property
    def fails_or_leaves_it_open(self) -> bool:
        """Whether it fails, or many steps leave it open: enough for what is a fault by itself.

        The interval of the loss at the end then contains the limit; what it may have learned is
        little.
        """
        losses = self.losses
        if self.fails or losses is None or losses.source != "steps" or not self.may_fail:
            return self.fails
        return len(losses.values) >= FEWEST_WHILE_FALLING and progress_of(self.run).might_be_low

    @property
    def fails_or_has_no_better_loss(self) -> bool:
        """Whether it fails, or the loss stays above that of a guess, though the accuracy rises."""
        progress, losses = progress_of(self.run), self.losses
        is_long = losses is not None and len(losses.values) >= FEWEST_WHILE_FALLING
        is_open = is_long and self.learning.state == "unknown"
        is_above = progress.is_above_a_guess and (is_open or not progress.fell)
        return self.fails_or_leaves_it_open or is_above

    @cached_property
    def losses(self) -> Losses | None:
        """The loss over steps or epochs; None where there is none."""
        return losses_of(self.run)

    @property
    def shrinks_at_start(self) -> bool:
        """Whether the signal vanishes in the first step; zeros there are another matter."""
        lost, depth = self.verdict.at_start, self.run.weights["depth"].to_numpy()
        is_zero = self.silent[self.sound[:1]][:, depth < depth.max(initial=0)].any()
        return lost is not None and lost.low > HEALTHY_ORDERS and not is_zero

    @property
    def grows_at_start(self) -> bool:
        """Whether the signal explodes in the first step."""
        lost = self.verdict.at_start
        return lost is not None and lost.high < -HEALTHY_ORDERS

    @cached_property
    def heads(self) -> list[Head]:
        """The outputs with their losses and labels."""
        return heads_of(self.run)

    @cached_property
    def sound(self) -> np.ndarray:
        """The rows whose gradients are all finite."""
        return sound_steps(self.run)

    @cached_property
    def early(self) -> np.ndarray:
        """The rows of the beginning."""
        return early_steps(self.run)

    @cached_property
    def late(self) -> np.ndarray:
        """The rows of the end."""
        return late_steps(self.run)

    @cached_property
    def kernels(self) -> np.ndarray:
        """The columns of the kernels that ever got a gradient."""
        return kernels_of(self.run)

    def largest_ratios(self, rows: np.ndarray) -> np.ndarray:
        """The largest update of a kernel, beside the kernel, in each of some rows.

        A kernel that begins near zero has no size to compare with. 0 where nothing is known.
        """
        ratios = update_ratios(self.run, rows, self._kernels_of_usual_size)
        return np.nan_to_num(ratios, nan=0.0, posinf=np.inf).max(axis=1, initial=0.0)

    @cached_property
    def _kernels_of_usual_size(self) -> np.ndarray:
        """Those that do not begin a hundred times below LeCun's size, 1 / sqrt(inputs)."""
        weights = self.run.weights.iloc[self.kernels]
        inputs = np.array([np.prod(shape[:-1]) for shape in weights["shape"]])
        rms = self.run.weight_norm[:1][:, self.kernels] / np.sqrt(weights["size"].to_numpy())
        return self.kernels[(rms > TINY / np.sqrt(inputs)).any(axis=0)]

    @property
    def first_rows(self) -> np.ndarray:
        """The rows in which too high a learning rate shows."""
        return np.arange(min(FIRST_STEPS, len(self.run.steps)))

    @property
    def rows_before_the_break(self) -> np.ndarray:
        """The last rows before the numbers are no longer finite; empty where they stay so."""
        since = self.learning.since
        end = 0 if since is None else int(np.searchsorted(self.run.steps, since))
        return np.arange(max(0, end - FIRST_STEPS), end)

    @property
    def rows_of_a_higher_rate(self) -> np.ndarray:
        """The rows of a learning rate more than twice that of the first step."""
        rate = self.scalar("learning_rate")
        return np.flatnonzero(rate > 2 * rate[:1].sum()) if len(rate) else np.arange(0)

    def ratio(self, rows: np.ndarray) -> float:
        """The median update beside the weight of the kernel that moves most; NaN if unknown.

        A weight that begins with zeros, such as the bias of a GRU, which has two axes, does not
        count: any update changes all of it.
        """
        usual = self._kernels_of_usual_size
        columns = usual if len(usual) else self.kernels
        found = medians(update_ratios(self.run, thinned(rows), columns))
        return float(found.max()) if len(found) else np.nan

    def scalar(self, name: str) -> np.ndarray:
        """A scalar of each step [S]; NaN where the run lacks it."""
        empty = np.full(len(self.run.steps), np.nan)
        return self.run.scalars.get(name, empty).astype(float)

    def extreme(self, name: str, largest: bool) -> float:
        """The extreme of a scalar over all steps; NaN where nothing is known."""
        known = self.scalar(name)[np.isfinite(self.scalar(name))]
        if not len(known):
            return np.nan
        return float(known.max() if largest else known.min())

    @cached_property
    def silent(self) -> np.ndarray:
        """Where a gradient is there and exactly 0 [S, W]."""
        return self.run.grad_norm == 0

    @property
    def optimizer(self) -> dict[str, Any]:
        """The settings of the optimizer; empty where the run lacks them."""
        return (self.run.info.get("training") or {}).get("optimizer") or {}

    @property
    def is_adaptive(self) -> bool:
        """Whether the optimizer divides by the gradient's size, as Adam does."""
        return any(name in self.optimizer.get("class", "").lower() for name in ADAPTIVE)

    @property
    def dtype_policy(self) -> str:
        """The policy for numbers, such as `mixed_float16`."""
        return str((self.run.info.get("training") or {}).get("dtype_policy", "float32"))

    @cached_property
    def rate(self) -> float:
        """The learning rate: the median of the recorded ones, or the optimizer's; or NaN."""
        known = self.scalar("learning_rate")
        known = known[np.isfinite(known)]
        if len(known):
            return float(np.median(known))
        rate = self.optimizer.get("learning_rate")
        return float(rate) if isinstance(rate, int | float) else np.nan

    @property
    def span(self) -> tuple[int, int] | None:
        """The first and the last recorded step."""
        steps = self.run.steps
        return (int(steps[0]), int(steps[-1])) if len(steps) else None

    def since(self, quiet: np.ndarray) -> int:
        """The step from which on most sound steps are quiet, given for each row whether it is."""
        here = quiet[self.sound]
        after = np.cumsum(here[::-1])[::-1]
        mostly = after > 0.5 * np.arange(len(here), 0, -1)
        first = np.flatnonzero(here & mostly) if (here & mostly).any() else np.flatnonzero(here)
        return int(self.run.steps[self.sound[first[0]]])

    def layer_of(self, column: SupportsIndex) -> str:
        """The layer of a weight."""
        return str(self.run.weights["layer"].iloc[int(column)])
