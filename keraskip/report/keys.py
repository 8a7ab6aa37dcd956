"""Numbers for runs, groups, layers and probes: charts tell them apart by these.

A name may be any text. As the key of an object, `constructor` or `__proto__` breaks a chart. So a
chart has the names as values of parameters, and as words that it shows.
"""

from collections.abc import Sequence

import pandas as pd

from keraskip.analysis.verdicts import Group
from keraskip.report.vega import PARAMETERS, Chart


def parameters(groups: Sequence[Group]) -> list[Chart]:
    """The parameters of a chart: what a page may set, and `run_names`, `layer_names` and so on."""
    names = names_of(groups).items()
    return [*PARAMETERS, *({"name": f"{kind}_names", "value": each} for kind, each in names)]


def with_groups(rows: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """Rows of runs with the labels of their groups, and with `run_key`, `layer_key` and so on."""
    group_of = {run.name: key for key, group in enumerate(groups) for run in group.runs}
    names = names_of(groups)
    group_keys = rows["run"].map(group_of)
    rows = rows.assign(group=group_keys.map(dict(enumerate(names["group"]))), group_key=group_keys)
    kinds = [kind for kind in ("run", "layer", "probe") if kind in rows]
    return rows.assign(**{f"{kind}_key": rows[kind].map(key_of(names[kind])) for kind in kinds})


def names_of(groups: Sequence[Group]) -> dict[str, list[str]]:
    """The names of runs, groups, layers and probes; their places are their keys."""
    runs = [run for group in groups for run in group.runs]
    probes = [run.probes for run in runs if run.info.get("probes")]
    columns = [run.weights["layer"] for run in runs] + [each["layer"] for each in probes]
    return {
        "run": [run.name for run in runs],
        "group": [group.label for group in groups],
        "layer": list(dict.fromkeys(name for column in columns for name in column)),
        "probe": list(dict.fromkeys(name for each in probes for name in each["probe"])),
    }


def key_of(names: Sequence[str]) -> dict[str, int]:
    """The key of each name."""
    return {name: key for key, name in enumerate(names)}
