"""Thirty networks of the battery whose answer has to be the same on every backend.

Data, order, first weights and loss are the same on each; none of the thirty has random numbers
later on.
"""

import json
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import keras

NAMES = """
dense, rate 0|conv, rate 1e-8|dense, rate 3e-5|dense, rate 10|dense, adam 3|dense, clipped
dense, loss times 1e-8|dense, late|dense, softmax over one|transfer, sigmoid, categorical
dense, dead output|regression, sigmoid output|dense, logits|dense, shuffled
dense, NaN in step 20|unet, NaN in step 5|regression, inputs 1e4|regression, targets 1e4
dense, zeros|dense, exponential|dense, decay|dense, 20 sigmoid|conv, 12 relu, large
dense, dead layer|siamese, bad layer|dense, cut|sound: dense|sound: conv, normalised
sound: transformer|sound: multi
"""
COMPARED = ("verdict", "state", "found")


def names():
    """The names of the thirty."""
    return [name for line in NAMES.strip().splitlines() for name in line.split("|")]


def thirty_of(networks):
    """The thirty among the networks, each with first weights that are the same everywhere."""
    known = names()
    return [
        network._replace(changes={**network.changes, "drawn": 0})
        for network in networks
        if network.name in known
    ]


def one_loss():
    """While this is entered, Keras computes a loss from the answers on TensorFlow, too.

    Elsewhere it cuts them off at 1e-7, so that a saturated output has a loss of 16 and no gradient.
    On TensorFlow it takes what lies before the softmax or sigmoid, which is another training.
    """
    if keras.backend.backend() != "tensorflow":
        return nullcontext()
    name = "keras.src.backend.tensorflow.nn._get_logits"
    return patch(name, lambda output, from_logits, *names: (output, from_logits))


def write(rows, file):
    """Writes verdict, learning and first finding of each network."""
    answers = {
        row["name"]: {"verdict": row["verdict"], "state": row["state"], "found": row["found"][:1]}
        for row in rows
    }
    content = {"backend": rows[0]["backend"], "answers": answers}
    Path(file).write_text(json.dumps(content, indent=1), encoding="utf-8")


def print_differences(files):
    """Prints where the answers of the files differ; returns whether they are all the same."""
    known = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    different = 0
    for name in names():
        answers = [content["answers"].get(name) for content in known]
        if any(answer != answers[0] for answer in answers):
            different += 1
            print(name)
            for content, answer in zip(known, answers, strict=True):
                said = [answer[key] for key in COMPARED] if answer else "not run"
                print(f"    {content['backend']:<11} {said}")
    print(f"{len(names()) - different} of {len(names())} networks have the same answer")
    return not different
