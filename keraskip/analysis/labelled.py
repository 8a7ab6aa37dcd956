"""Runs as they are shown: each text in them is visible, in one line."""

from dataclasses import replace

from keraskip.labels import all_visible, visible
from keraskip.runs import Run


def labelled(run: Run) -> Run:
    """The run with visible names of itself, its layers and all else that `run.json` tells."""
    name = run.label or run.path.name
    shown, info = visible(name), all_visible(run.info)
    if shown == name and info == run.info:
        return run
    texts = run.weights.select_dtypes(exclude="number")
    weights = run.weights.assign(**{str(key): texts[key].map(all_visible) for key in texts})
    return replace(run, label=shown, info=info, weights=weights)
