"""Runs that differ in nothing but their seed, as one group."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from keraskip.analysis.estimates import Estimate
from keraskip.analysis.seeds import Judgement, judge_together
from keraskip.analysis.verdicts import Verdict, judge
from keraskip.runs import Run

SEED_IN_NAME = re.compile(r"[-_. ]?seed[-_=]?\d+$")


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one network that is trained in one way, with one or several seeds.

    Attributes:
        name: the name of the runs, without their seeds.
        runs: at least one.
        settings: the settings of the runs' trial, with the arguments of the builder and without
            the seed; empty for runs that no study made.
    """

    name: str
    runs: tuple[Run, ...]
    settings: dict[str, Any]

    @property
    def label(self) -> str:
        """The group's name in the report: a single run keeps its whole name."""
        return self.name if len(self.runs) > 1 else self.runs[0].name

    @property
    def depth(self) -> float | None:
        """The depth that the settings give, if it is a number."""
        depth = self.settings.get("depth")
        return depth if isinstance(depth, int | float) and depth > 0 else None

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The verdict on each run."""
        return [judge(run) for run in self.runs]

    @cached_property
    def judgement(self) -> Judgement:
        """Verdict, reason and attenuation over the seeds."""
        return judge_together(self.runs, self.verdicts)

    @property
    def verdict(self) -> str:
        """The verdict over the seeds."""
        return self.judgement.verdict

    @property
    def attenuation(self) -> Estimate | None:
        """By how many orders of magnitude the signal shrinks on its way down."""
        return self.judgement.attenuation

    @property
    def train_errors(self) -> list[float]:
        """Share of wrong answers in the last epoch, for each run that has an accuracy."""
        accuracies = [verdict.accuracy for verdict in self.verdicts]
        return [1 - accuracy for accuracy in accuracies if not np.isnan(accuracy)]

    @property
    def epochs(self) -> set[int]:
        """The numbers of epochs of the runs."""
        return {len(run.epochs) for run in self.runs}


def grouped(runs: Sequence[Run]) -> list[Group]:
    """The groups, in the order of their first runs.

    Runs belong together if they were recorded from the same weights, have the same settings and,
    apart from an ending such as `_seed3`, the same name.
    """
    members_by_key: dict[str, list[Run]] = {}
    for run in runs:
        # Without the paths: Keras goes on numbering layers in a second model.
        weights = run.weights[["role", "depth", "shape"]].to_numpy().tolist()
        key = json.dumps([_stem(run), sorted(settings(run).items()), weights], default=str)
        members_by_key.setdefault(key, []).append(run)
    uses: Counter[str] = Counter()
    groups = []
    for members in members_by_key.values():
        stem = _stem(members[0])
        uses[stem] += 1
        name = f"{stem} ({uses[stem]})" if uses[stem] > 1 else stem
        groups.append(Group(name, tuple(members), settings(members[0])))
    return groups


def settings(run: Run) -> dict[str, Any]:
    """The settings of the run's trial, in one level, without its name and its seed."""
    trial = run.info.get("trial")
    if not isinstance(trial, dict):
        return {}
    flat = {**trial, **run.info.get("network", {}), **trial.get("arguments", {})}
    return {key: flat[key] for key in flat if key not in ("name", "network", "seed", "arguments")}


def _stem(run: Run) -> str:
    return SEED_IN_NAME.sub("", run.name) or run.name
