"""Small networks with one fault each, and what the package says about them, as Markdown.

The scripts beside this one use it. `python inputs.py` writes a file for each of its examples.
"""

import inspect
import json
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from sklearn.datasets import load_digits

import keraskip
from keraskip.analysis.causes import CAUSES, LAST_RESORTS, diagnose
from keraskip.analysis.learning import LEARNING_RULES, learning_of
from keraskip.analysis.verdicts import RULES, judge
from keraskip.analysis.words import about_learning, diagnosis

BATTERY = json.loads(Path(__file__).with_name("battery.json").read_text("utf-8"))
NONE = "No network of the battery has it"


# --8<-- [start:networks]
def digits():
    """1600 images of digits with 64 pixels between 0 and 1, and their labels."""
    x, y = load_digits(return_X_y=True)
    return (x[:1600] / 16).astype("float32"), y[:1600].astype("int32")


def network(depth=3, activation="relu", initializer="he_normal", units=10, head="softmax", **more):
    """A stack of `depth` hidden layers of 32 units, and an output; `more` is for each layer."""
    layers = [
        keras.layers.Dense(32, activation, kernel_initializer=initializer, **more)
        for _ in range(depth)
    ]
    return keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(units, head)])


class Training(NamedTuple):
    """A network and how it is trained."""

    model: keras.Model
    x: np.ndarray
    y: np.ndarray
    optimizer: object = "sgd"
    loss: object = "sparse_categorical_crossentropy"
    epochs: int = 2
    batch: int = 16
    compiling: dict = {}  # noqa: RUF012
    recording: dict = {}  # noqa: RUF012


def trained(training):
    """Trains a network with a recorder; returns the run."""
    accuracy = ["accuracy"] if "crossentropy" in str(training.loss) else []
    training.model.compile(
        training.optimizer,
        training.loss,
        **{"metrics": accuracy, "jit_compile": False, **training.compiling},
    )
    with tempfile.TemporaryDirectory() as folder:
        recorder = keraskip.GradientRecorder(
            f"{folder}/example", verbose=0, on_nonfinite="ignore", **training.recording
        )
        training.model.fit(training.x, training.y, training.batch, training.epochs, verbose=0,
                           shuffle=False, callbacks=[recorder])  # fmt: skip
        return keraskip.load_run(f"{folder}/example")


# --8<-- [end:networks]


def made(example, **changes):
    """The training of an example, the same in each call."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    return example(**changes)


def finding(kind, picture=False, **cured):
    """Writes the section about a kind of finding, from the example below.

    `cured` are the arguments of the example that do what the remedy says. Without them, the lines
    of code in the remedy are applied as they are printed, if there are some.
    """

    def write(example):
        run = trained(made(example))
        found = {each.kind: each for each in diagnose(run)}
        if kind not in found:
            raise SystemExit(f"{kind} is not found, but {list(found)}: {diagnosis(run)}")
        parts = [
            printed(diagnosis(run)),
            f"**When it is said.** {rule_of(kind)}",
            numbers(found[kind]),
            f"**Remedy, as printed.** {found[kind].remedy}",
            after(example, found[kind], cured),
            f"**Source.** {found[kind].source}.",
            f"**In the [battery](index.md#battery).** {in_battery(kind)}",
            drawn(kind, run) if picture else "",
            code(example, cured),
        ]
        save(kind, parts)
        return example

    return write


def save(name, parts):
    """Writes a fragment beside the output of the script."""
    Path(f"{slug(name)}.md").write_text("\n\n".join(filter(None, parts)) + "\n", "utf-8")
    print(name, flush=True)


def slug(name):
    """The anchor of a section."""
    return name.replace(" ", "-")


def printed(lines):
    """Lines as the recorder prints them at the end of a training."""
    return "```text\n" + "\n".join(lines) + "\n```"


def rule_of(kind):
    """The rule in words: the documentation of the cause."""
    return inspect.getdoc({**CAUSES, **LAST_RESORTS}[kind])


def numbers(found):
    """The measured numbers of a finding in a sentence."""
    known = [f"{name.replace('_', ' ')} {value:.3g}" for name, value in found.evidence.items()
             if np.isfinite(value)]  # fmt: skip
    if found.steps:
        known.append(f"step {found.steps[0]}" if found.steps[0] == found.steps[1]
                     else f"steps {found.steps[0]} to {found.steps[1]}")  # fmt: skip
    return f"**Measured here.** {', '.join(known)}." if known else ""


def after(example, found, cured):
    """How the training goes once the remedy is applied."""
    training = made(example, **cured) if cured else applied(made(example), found.remedy)
    return f"**After it.** {said_after(trained(training))}." if training else ""


def said_after(run):
    """Whether the cured network learns, and what it knows in the end."""
    state = about_learning(learning_of(run))
    accuracy = judge(run).accuracy
    return (
        state[0].upper()
        + state[1:]
        + ("" if np.isnan(accuracy) else f"; accuracy {accuracy:.0%} in the last epoch")
    )


def applied(training, remedy):
    """The training with the statements of a remedy carried out; None if it has none."""
    lines = [line for line in re.findall(r"`([^`]*)`", remedy)
             if re.match(r"(x|y|good|optimizer|model) = |x, y = ", line)]  # fmt: skip
    if not lines:
        return None
    names = {**training._asdict(), "keras": keras, "keraskip": keraskip, "np": np}
    exec(lines[0], names)
    return training._replace(**{name: names[name] for name in ("x", "y", "optimizer", "model")})


def in_battery(kind):
    """How often a finding was right, in the two parts of the battery."""
    parts = BATTERY["findings"][kind]
    both = (("made", "with which the rules were made"), ("drawn", "drawn by lot afterwards"))
    if not any(parts[name]["trainings"] for name, _ in both):
        wrong = sum(parts[name]["wrong_first"] + parts[name]["false_alarms"] for name, _ in both)
        return f"{NONE}." + f" It was said wrongly in {wrong} trainings." * (wrong > 0)
    return " ".join(_about(parts[name], which) for name, which in both)


def _about(part, which):
    if not part["trainings"]:
        return f"{NONE}, among those {which}."
    other = part["other_right_first"]
    others = f" (another right one in {other} more)" if other else ""
    cured = f"; its remedy cured {part['cured']} of {part['cured_of']}" * (part["cured_of"] > 0)
    return (
        f"Networks {which}: {part['networks']} have it, in {part['trainings']} trainings. It was "
        f"said first in {part['first']} of {part['trainings']}{others}, at all in "
        f"{part['at_all']}{cured}. Wrongly first in {part['wrong_first']} of "
        f"{part['wrong_first_of']} with another fault; said in {part['false_alarms']} of "
        f"{part['false_alarms_of']} that learn."
    )


def drawn(name, run):
    """The picture of a run."""
    keraskip.compare(run).save(f"{slug(name)}.svg")
    folder = Path.cwd().name
    return f"![The gradient of each layer](../made/says/{folder}/{slug(name)}.svg)"


def code(example, cured):
    """The code of the example, folded."""
    lines = inspect.getsource(example).rstrip()
    changes = ", ".join(f"{name}={value!r}" for name, value in cured.items())
    call = f"\n\nrun = trained({example.__name__}())"
    call += f"\ncured = trained({example.__name__}({changes}))" * bool(cured)
    body = re.sub(r"^@.*\n", "", lines) + call
    indented = "\n".join(f"    {line}" if line else "" for line in body.splitlines())
    return f'??? example "The network"\n\n    ```python\n{indented}\n    ```'


def verdict(name, picture=True, **changes):
    """Writes the section about a verdict on the signal."""

    def write(example):
        run = trained(made(example, **changes))
        answer = judge(run)
        if answer.verdict != name:
            raise SystemExit(f"{name} is not the verdict, but {answer.verdict}: {answer.reason}")
        table = str(keraskip.compare(run)).splitlines()
        parts = [
            printed(table),
            f"**When it is said.** {capital(RULES[name])}.",
            f"**Measured here.** {capital(answer.reason)}." if answer.reason else "",
            f"**In the battery.** {verdict_in_battery(name)}",
            drawn(f"signal {name}", run) if picture else "",
            code(example, changes),
        ]
        save(f"signal {name}", parts)
        return example

    return write


def verdict_in_battery(name):
    """How often a verdict was right on networks whose state is known beforehand."""
    known = BATTERY["verdicts"]["scores"][name]
    wrong = f" It was given wrongly in {known['wrong']}."
    if not known["trainings"]:
        return f"{NONE} as its right answer.{wrong}"
    return (
        f"{known['networks']} networks of known state have it; it was given in {known['given']} "
        f"of {known['trainings']} trainings.{wrong}"
    )


def state(name):
    """Writes the section about a state of learning."""

    def write(example):
        run = trained(made(example))
        learning = learning_of(run)
        if learning.state != name:
            raise SystemExit(f"{name} is not the state, but {learning.state}: {learning.reason}")
        parts = [
            printed([f"{about_learning(learning)}."]),
            f"**When it is said.** {capital(LEARNING_RULES[name])}.",
            f"**Measured here.** {capital(learning.reason)}.",
            f"**In the battery.** {state_in_battery(name)}",
            code(example, {}),
        ]
        save(f"learning {name}", parts)
        return example

    return write


def state_in_battery(name):
    """How often a state was said, and how many of those networks learn."""
    parts = BATTERY["states"][name]
    words = {"made": "with which the rules were made", "drawn": "drawn by lot afterwards"}
    return " ".join(
        f"Of the networks {which}, {parts[part]['trainings']} trainings got it; by their answers "
        f"in the end, {parts[part]['learn']} of these learn."
        for part, which in words.items()
    )


def capital(text):
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]
