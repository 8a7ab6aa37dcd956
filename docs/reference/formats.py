"""Writes the tables of `run.json`, a row for each entry that `keraskip.load_run` knows."""

import json
import re
import types
import typing

import msgspec

from keraskip.callbacks.columns import FURTHER, SCALARS, STATISTICS
from keraskip.report import files
from keraskip.runs import facts

NAMES: dict[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
# What stands in each entry of each object; the build fails where one is missing or too many.
MEANINGS = {
    "Contents": {
        "status": "how the training stands",
        "started": "time in UTC, ISO 8601",
        "command": "name and arguments of the program",
        "versions": "version of each package",
        "backend": "of Keras",
        "device": "the machine",
        "git": "commit of the working directory",
        "model": "its name",
        "gradient": "`raw`, or `effective`: after clipping and accumulation",
        "depth_from": "how the order of the layers is known: `graph`, `calls` or `creation`",
        "depth": "of the deepest weight that trains, recorded or not",
        "unrecorded": "weights that train and are not recorded",
        "training": "how the model is compiled",
        "outputs": "the outputs of the model",
        "classes": "of a classifier; else 1",
        "untrained": "layers with weights that do not train",
        "alike": "layers whose units all begin with the same weights",
        "recurrent": "layers that go over time steps",
        "dropout": "rate of each layer that drops units out",
        "dropout_kinds": "class in Keras of each of these layers",
        "calls": "layers in the order of their calls",
        "kinds": "class in Keras of each call",
        "activations": "activation of each call",
        "skips": "what `add_skips` could do",
        "optimizers": "their names; the column `optimizer` of `steps.arrow` counts them",
        "optimizer_settings": "settings of each, where there are several",
        "labels": "the labels of all steps, for each output",
        "labels_after": "the labels up to the ends of the last two epochs",
        "probes": "values of probes",
        "phase_of": "the run whose later phase this is",
        "part": "the part of a run of several optimizers",
        "trial": "the trial of a study",
        "network": "the network of a trial: family and arguments of the builder",
        "normalization": "of the images of a study",
        "train_images": "number of images that a study trains with",
        "test": "the result on the test set, as the first row",
        "weights": "the recorded weights, as the columns of `steps.arrow`",
        "epochs": "one row for each epoch",
    },
    "Weight": {
        "path": "its name in Keras, such as `hidden_1/kernel`",
        "layer": "the layer that owns it",
        "role": "its variable: `kernel`, `bias` and so on",
        "depth": "layers with a kernel from the input, as papers count",
        "shape": "of the weight",
        "size": "number of elements",
        "positions": "positions over which its gradient is a sum, such as height times width",
        "after": "the nearest layers with weights before it",
        "last": "whether no layer with weights lies behind it",
    },
    "Epoch": {
        "epoch": "its number, from 0",
        "steps": "rows of `steps.arrow` so far",
        "next_step": "number of the next step",
        "next_steps": "the same for each of several optimizers",
        "weights_norm": "L2 norm of all recorded weights",
    },
    "ProbeRow": {
        "epoch": "its number",
        "probe": "which value it is",
        "layer": "where it was taken",
        "depth": "of the layer",
        "value": "one number, or one for each time step",
    },
    "Labels": {
        "output": "index of the output",
        "weighted": "whether samples have weights",
        "count": "number of labels",
        "shares": "share of each class; only of classes",
        "mean": "of other labels, over all units",
        "variance": "of other labels, over all units",
        "means": "of other labels, for each of several units",
        "nonfinite": "batches with labels that are not finite",
    },
    "LabelsAfter": {
        "epoch": "its number",
        "steps": "rows of `steps.arrow` so far",
        "labels": "the labels so far",
    },
    "Optimizer": {
        "class": "its class in Keras, or the one there that it extends",
        "own": "whether Keras has neither, so that `class` is the user's own",
        "learning_rate": "the rate, or the class of its schedule",
        "momentum": "as in Keras",
        "weight_decay": "as in Keras",
        "gradient_accumulation_steps": "as in Keras",
    },
    "Training": {
        "loss": "name of the loss; several as they were given",
        "from_logits": "whether the loss takes logits",
        "optimizer": "its settings",
        "penalised": "whether weights have a regularizer",
        "dtype_policy": "of most layers with weights",
        "metrics": "their names",
    },
    "Output": {
        "layer": "the layer that makes it",
        "activation": "of this layer",
        "units": "size of the last axis",
    },
    "Untrained": {"layer": "its name"},
    "Room": {
        "possible": "skips that it would add",
        "around": "layers with kernels that they lead around",
        "hidden": "layers with kernels that do not make the output",
    },
    "Device": {
        "processor": "its name",
        "cpus": "number of processors",
        "runs_on": "the device of the tensors",
    },
    "Git": {"commit": "its hash", "dirty": "whether files were changed since"},
    "Normalization": {
        "mean": "of each channel",
        "deviation": "standard deviation of each channel",
        "white": "value of the brightest pixel",
    },
    "Tested": {"accuracy": "share of right answers"},
}


def kind(hint: object) -> str:
    """A type in the words of JSON."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return kind(inside[0]) + limits(inside[1])
    if origin is typing.Literal:
        return ", ".join(f'`"{value}"`' for value in inside)
    if origin in (types.UnionType, typing.Union):
        return either([kind(part) for part in inside if part is not msgspec.UnsetType])
    if origin in (list, dict):
        text = re.sub(r"\b(number|text)\b", r"\1s", kind(inside[-1]))
        text = f"({text})" if " or " in text else text
        return f"list of {text}" if origin is list else f"object of {text}, each by its name"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return NAMES.get(hint, "anything")


def either(parts: list[str]) -> str:
    """The words with commas, and `or` before the last."""
    return ", or ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def limits(meta: msgspec.Meta) -> str:
    """The limits that a run may come near to."""
    near = {name: getattr(meta, name) for name in ("ge", "gt", "le")}
    told = {name: end for name, end in near.items() if end is not None and abs(end) < 1e15}
    words = {"ge": "from", "gt": "above", "le": "to"}
    return "".join(f" {words[name]} {end:,.12g}" for name, end in told.items()) + (
        " (at least one)" if meta.min_length else ""
    )


def missing(field: msgspec.structs.FieldInfo) -> str:
    """What stands for an entry that is missing."""
    if field.required:
        return "refused"
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    return "unknown" if value is msgspec.UNSET else f"`{json.dumps(value)}`"


def structs_in(hint: object) -> list[type]:
    """The objects that a type names."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [found for inside in typing.get_args(hint) for found in structs_in(inside)]


def write_tables(struct: type, done: list[type]) -> None:
    """The table of an object, in a file of its name, and of all objects in it."""
    done.append(struct)
    hints = typing.get_type_hints(struct, include_extras=True)
    meanings = dict(MEANINGS[struct.__name__])
    with open(f"{struct.__name__}.md", "w", encoding="utf-8") as out:
        print("| entry | in it | type | if missing |\n|---|---|---|---|", file=out)
        for field in msgspec.structs.fields(struct):
            cells = meanings.pop(field.encode_name), kind(hints[field.name]), missing(field)
            print(f"| `{field.encode_name}` | {' | '.join(cells)} |", file=out)
    if meanings:
        raise ValueError(f"There are no such entries. Received: {struct.__name__} {meanings}")
    for inside in (each for hint in hints.values() for each in structs_in(hint)):
        if inside not in done:
            write_tables(inside, done)


tables: list[type] = []
write_tables(facts.Contents, tables)
if {struct.__name__ for struct in tables} != set(MEANINGS):
    raise ValueError(f"Meanings and tables differ. Received: {tables}")
with open("steps.txt", "w") as out:
    print("of each step:           ", ", ".join(SCALARS), file=out)
    print("of each weight and step:", ", ".join(STATISTICS), file=out)
    print("on demand:              ", ", ".join(FURTHER), file=out)
print(f"schema of a report: {files.SCHEMA_VERSION}")
