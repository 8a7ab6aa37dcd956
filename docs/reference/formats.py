import types
import typing

import msgspec

from keraskip.callbacks.columns import FURTHER, SCALARS, STATISTICS
from keraskip.report import files
from keraskip.runs import facts


def kind(name: object) -> str:
    """A type in the words of JSON."""
    if typing.get_origin(name) is typing.Annotated:
        limits = typing.get_args(name)[1]
        ends = (("≥", limits.ge), (">", limits.gt), ("≤", limits.le))
        shown = " and ".join(f"{sign} {end:g}" for sign, end in ends if is_told(end))
        return kind(typing.get_args(name)[0]) + (f", {shown}" if shown else "")
    if typing.get_origin(name) is typing.Literal:
        return " or ".join(f'"{value}"' for value in typing.get_args(name))
    if isinstance(name, types.UnionType) or typing.get_origin(name) is typing.Union:
        parts = [part for part in typing.get_args(name) if part is not msgspec.UnsetType]
        return " or ".join(kind(part) for part in parts)
    if typing.get_origin(name) is list:
        return f"list of {kind(typing.get_args(name)[0])}"
    if typing.get_origin(name) is dict:
        return f"object of {kind(typing.get_args(name)[1])}"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return names.get(name, getattr(name, "__name__", str(name)).replace("NoneType", "null"))


def is_told(end: float | None) -> bool:
    """Whether a limit is one that a run comes near to."""
    return end is not None and abs(end) < 1e15


def table(struct: type, file: str) -> None:
    """One line for each entry."""
    with open(file, "w", encoding="utf-8") as out:
        print("| entry | type | must be there |\n|---|---|---|", file=out)
        for field in msgspec.structs.fields(struct):
            hint = typing.get_type_hints(struct, include_extras=True)[field.name]
            entry = f"| `{field.encode_name}` | {kind(hint)} | {'yes' if field.required else ''} |"
            print(entry, file=out)


table(facts.Contents, "contents.md")
for name in "Weight", "Epoch", "ProbeRow", "Labels", "Training", "Optimizer", "Output", "Room":
    table(getattr(facts, name), f"{name}.md")
with open("steps.txt", "w") as out:
    print("of each step:           ", ", ".join(SCALARS), file=out)
    print("of each weight and step:", ", ".join(STATISTICS), file=out)
    print("on demand:              ", ", ".join(FURTHER), file=out)
print(f"schema of a report: {files.SCHEMA_VERSION}")
