r"""How often findings, states and verdicts were right in the battery: `docs/says/battery.json`.

    python tests/benchmarks/finding_scores.py docs/says/battery.json \
        --made b.jsonl records --made d.jsonl drecords --drawn e.jsonl erecords \
        --added f1.jsonl frecords --added f2.jsonl frecords

Takes the files and the records of `diagnoses.py --out FILE --records FOLDER`, and asks the rules of
today about each record; it trains nothing. `--made` are the networks that the rules were made with,
`--drawn` those that were drawn by lot when the rules were finished, `--added` those of
`added_networks.py`, whose author knew the rules. A network that fails without a
fault, or learns in spite of one, is no network with that fault.

The verdicts are held to the networks of known state in `tests/battery.py`, each trained for some
steps, with `--known SEEDS`; without it, their figures in the file stay.
"""

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from battery_run import asked_again
from diagnoses import rows_of

import keraskip
from keraskip.analysis.causes import CAUSES, LAST_RESORTS
from keraskip.analysis.learning import LEARNING_RULES
from keraskip.analysis.verdicts import RULES

PARTS = ("made", "drawn", "added")


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    for name in PARTS:
        parser.add_argument(f"--{name}", nargs=2, action="append", default=[], type=Path,
                            metavar=("FILE", "RECORDS"))  # fmt: skip
    parser.add_argument("--known", type=int, default=0, help="seeds of the networks of known state")
    return parser.parse_args()


def score_of_finding(kind, rows):
    """Counts of one kind of finding; a row is a network with a seed."""
    failing = [row for row in rows if row["expected"] and not row["learns"]]
    learning = [row for row in rows if row["learns"]]
    right = [row for row in failing if kind in row["expected"]]
    first = [row for row in right if row["found"][:1] == [kind]]
    cures = [row for row in first if row["curable"] and "cured" in row]
    return {
        "networks": len({row["name"] for row in right}),
        "trainings": len(right),
        "first": len(first),
        "other_right_first": sum(row["found"][:1] != [kind] and right_first(row) for row in right),
        "at_all": sum(kind in row["found"] for row in right),
        "wrong_first": sum(row["found"][:1] == [kind] for row in failing if row not in right),
        "wrong_first_of": len(failing) - len(right),
        "false_alarms": sum(kind in row["found"] for row in learning),
        "false_alarms_of": len(learning),
        "cured": sum(bool(row["cured"]) for row in cures),
        "cured_of": len(cures),
    }


def right_first(row):
    return bool(row["found"]) and row["found"][0] in row["expected"]


def score_of_state(state, rows):
    """How often a state was said, and how many of these networks learn by their answers."""
    said = [row for row in rows if row["state"] == state]
    return {"trainings": len(said), "learn": sum(row["learns"] for row in said)}


def scores_of_verdicts(seeds):
    """How often each verdict was expected and given, over the networks of known state."""
    from battery import BATTERY, verdict_on

    scores = {name: {"networks": 0, "trainings": 0, "given": 0, "wrong": 0} for name in RULES}
    for known in BATTERY:
        scores[known.expected]["networks"] += 1
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                verdict = verdict_on(known, seed, Path(folder) / "run").verdict
            is_right = verdict == known.expected
            scores[known.expected]["trainings"] += 1
            scores[verdict]["given" if is_right else "wrong"] += 1
            print(f"{known.name:<32}{seed}  {verdict}", flush=True)
    return {"versions": about(), "seeds": seeds, "scores": scores}


def about():
    """What the numbers were made with."""
    backend = keras.backend.backend()
    module = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}[backend]
    return f"Keras {keras.__version__}, {module} {__import__(module).__version__}"


def judged_anew(files):
    """The rows of files, each with what the rules of today say about its record."""
    return [asked_again(row, records) for file, records in files for row in rows_of([file])]


def scores_of(parts):
    """The figures of all findings and states, in each part of the battery."""
    return {
        "trainings": {name: len(rows) for name, rows in parts.items()},
        "findings": {
            kind: {name: score_of_finding(kind, rows) for name, rows in parts.items()}
            for kind in (*CAUSES, *LAST_RESORTS)
        },
        "states": {
            state: {name: score_of_state(state, rows) for name, rows in parts.items()}
            for state in LEARNING_RULES
        },
    }


def main():
    arguments = arguments_of()
    old = json.loads(arguments.out.read_text("utf-8")) if arguments.out.exists() else {}
    parts = {name: judged_anew(getattr(arguments, name)) for name in PARTS}
    names = [Path(word).name if "/" in word else word for word in sys.argv]
    new = {
        "command": f"python tests/benchmarks/{' '.join(names)}",
        "date": datetime.now(UTC).date().isoformat(),
        "version": keraskip.__version__,
        "backends": sorted({row["backend"] for rows in parts.values() for row in rows}),
        **scores_of(parts),
        "verdicts": scores_of_verdicts(arguments.known) if arguments.known else old["verdicts"],
    }
    arguments.out.write_text(json.dumps(new, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
