"""Puts runs that differ in nothing but their seed into one group."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from keraskip.analysis.verdicts import Group
from keraskip.runs import Run

SEED_IN_NAME = re.compile(r"[-_. ]?seed[-_=]?\d+$")


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
