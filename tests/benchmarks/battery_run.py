"""One network of the battery: trained, diagnosed, cured, and trained again."""

import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import keras
from baselines import autotrainer, sagemaker
from battery_network import EPOCHS
from blame import BACKENDS, layer_to_blame
from trainings import Recipe, compiled, cured, learned, prepared, train

from keraskip.analysis.causes import diagnose
from keraskip.analysis.learning import learning_of
from keraskip.analysis.verdicts import judge
from keraskip.runs import load_run

# A network has learned if its answers are this far from the best constant one.
LEARNED = 0.15
# The worst of several parts of a run stands for it.
STATES = ("diverged", "frozen", "not learning", "unknown", "learning")


def result_of(network, seed, with_cure, records=None):
    """What is true of a network, and what is said about it, as JSON values.

    The record stays in the folder `records`, if there is one.
    """
    start = time.perf_counter()
    recipe = Recipe(**{"epochs": EPOCHS, **network.changes})
    row = {
        "name": network.name,
        "fault": network.fault,
        "family": network.family,
        "expected": list(network.kinds),
        "layer": network.layer,
        "curable": network.curable,
        "changes": repr(network.changes),
        "seed": seed,
        "backend": keras.backend.backend(),
    }
    with nullcontext(records) if records else tempfile.TemporaryDirectory() as folder:
        run, share = train(recipe, record_of(row, folder), seed, ["zeros"])
    answer, finding = answer_of(run)
    row |= {"learned": round(share, 4), "learns": share > LEARNED, **answer}
    row |= {"sagemaker": sagemaker(run), "autotrainer": autotrainer(run)}
    if network.layer and keras.backend.backend() in BACKENDS:
        keras.utils.set_random_seed(seed)
        row["blamed"] = layer_to_blame(recipe, compiled(recipe, prepared(recipe)[1]))
    if with_cure and not row["learns"]:
        row |= _cure(recipe, finding, seed) if finding else {"cured": None}
    return row | {"seconds": round(time.perf_counter() - start, 1)}


def record_of(row, folder):
    """The folder of the run of a network with a seed."""
    return Path(folder) / f"{row['name'].replace('/', ' ')}-{row['seed']}"


def answer_of(run):
    """What is said about a run, as JSON values, and the first finding.

    A GAN has two parts, each with an answer of its own.
    """
    learnings = [learning_of(part) for part in run.parts]
    verdicts = [judge(part) for part in run.parts]
    found = [
        finding
        for part, verdict, learning in zip(run.parts, verdicts, learnings, strict=True)
        for finding in diagnose(part, verdict, learning)
    ]
    first = found[0] if found else None
    answer = {
        "state": min((each.state for each in learnings), key=STATES.index),
        "reason": "; ".join(each.reason for each in learnings),
        "verdict": "; ".join(each.verdict for each in verdicts),
        "found": [finding.kind for finding in found],
        "sentence": first.sentence if first else "",
        "blames": [_layer(name) for name in first.layers] if first else [],
        "remedy": first.remedy if first else "",
    }
    return answer, first


def asked_again(row, records):
    """The row with what is said now about the record that was kept.

    What a cure made of the network stays in the row only if the remedy is the same.
    """
    answer, _ = answer_of(load_run(record_of(row, records)))
    same = answer["remedy"] == row["remedy"] and answer["found"][:1] == row["found"][:1]
    kept = {key: value for key, value in row.items() if same or key not in ("cured", "after")}
    return kept | answer


def _cure(recipe, finding, seed):
    """What the first remedy makes of the network; `cured` is None if nothing can be typed in."""
    changed = cured(recipe, finding)
    if changed is None or changed == recipe:
        return {"cured": None if changed is None else False}
    try:
        share = learned(changed, seed)
    except Exception as error:  # what is printed does not run
        return {"cured": False, "after": f"{type(error).__name__}: {error}"[:200]}
    return {"cured": share > LEARNED, "after": round(share, 4)}


def _layer(path):
    """The layer in a path; the cell of a recurrent layer is named after its kind alone."""
    return [part for part in path.split("/") if not part.endswith("_cell")][-1]
