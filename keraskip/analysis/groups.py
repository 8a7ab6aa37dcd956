"""Runs that differ in nothing but their seed, as one group."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from keraskip.analysis.estimates import Estimate
from keraskip.analysis.verdicts import Verdict, judge, judge_together
from keraskip.runs import Run

SEED_IN_NAME = re.compile(r"[-_. ]?seed[-_=]?\d+$")


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one network with one way to train it, for several seeds.

    Attributes:
        name: of the runs, without their seeds.
        runs: at least one.
        settings: what the runs' trial says, arguments of the builder and all, without the seed;
            empty for runs that no study made.
    """

    name: str
    runs: tuple[Run, ...]
    settings: dict[str, Any]

    @property
    def label(self) -> str:
        """What the group is called: a single run keeps its whole name."""
        return self.name if len(self.runs) > 1 else self.runs[0].name

    @property
    def depth(self) -> float | None:
        """The depth that the settings give, if it is a number."""
        depth = self.settings.get("depth")
        return depth if isinstance(depth, int | float) and depth > 0 else None

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The finding about each run."""
        return [judge(run) for run in self.runs]

    @cached_property
    def judgement(self) -> tuple[str, str, Estimate | None]:
        """Verdict, reason and attenuation over the seeds."""
        return judge_together(self.runs, self.verdicts)

    @property
    def verdict(self) -> str:
        """The verdict over the seeds."""
        return self.judgement[0]

    @property
    def attenuation(self) -> Estimate | None:
        """By how many orders of magnitude the signal shrinks on its way down."""
        return self.judgement[2]

    @property
    def train_errors(self) -> list[float]:
        """Share of wrong answers in the last epoch of each run that has an accuracy."""
        return [1 - v.accuracy for v in self.verdicts if not np.isnan(v.accuracy)]

    @property
    def epochs(self) -> set[int]:
        """How many epochs the runs have."""
        return {len(run.epochs) for run in self.runs}


def grouped(runs: Sequence[Run]) -> list[Group]:
    """The groups, in the order of their first runs.

    Runs belong together if they were recorded from the same weights, have the same settings and,
    apart from an ending such as `_seed3`, the same name.
    """
    members: dict[str, list[Run]] = {}
    for run in runs:
        # Not the paths: Keras goes on numbering layers in a second model.
        weights = run.weights[["role", "depth", "shape"]].to_numpy().tolist()
        key = json.dumps([_stem(run), sorted(settings(run).items()), weights], default=str)
        members.setdefault(key, []).append(run)
    stems = [_stem(own[0]) for own in members.values()]
    groups = []
    for place, own in enumerate(members.values()):
        same = stems[:place].count(stems[place])
        name = f"{stems[place]} ({same + 1})" if same else stems[place]
        groups.append(Group(name, tuple(own), settings(own[0])))
    return groups


def settings(run: Run) -> dict[str, Any]:
    """What the run's trial says, in one level, without the name and the seed."""
    trial = run.info.get("trial")
    if not isinstance(trial, dict):
        return {}
    flat = {**trial, **run.info.get("network", {}), **trial.get("arguments", {})}
    return {key: flat[key] for key in flat if key not in ("name", "network", "seed", "arguments")}


def _stem(run: Run) -> str:
    return SEED_IN_NAME.sub("", run.name) or run.name
