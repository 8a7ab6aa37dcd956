"""How often findings, states and verdicts were right in the battery, in words."""

import json
from pathlib import Path

BATTERY = json.loads(Path(__file__).with_name("battery.json").read_text("utf-8"))
NONE = "No network of the battery has it"
PARTS = {
    "made": "with which the rules were made",
    "drawn": "drawn by lot afterwards",
    "added": "added later by an author who knew the rules",
}
# Kinds that no network can have as its right answer.
WITHOUT = {
    "unexplained": "It is the last resort: a network with a known fault has another right answer."
}


def in_battery(kind):
    """How often a finding was right, in each part of the battery that has it."""
    parts = BATTERY["findings"][kind]
    told = [name for name in PARTS if parts[name]["trainings"]]
    rest = {name: parts[name] for name in PARTS if name not in told}
    lines = [f"Networks {PARTS[name]}: {_about(parts[name])}" for name in told]
    if told == ["added"]:
        lines.append("No other network of the battery has it.")
    else:
        lines += [
            f"{NONE}, among those {PARTS[name]}." for name in rest if told and name != "added"
        ]
    lines += filter(None, map(_wrongly, rest, rest.values()))
    intro = "" if told else f"{NONE}. {WITHOUT.get(kind, '')}".rstrip()
    return intro + "".join(f"\n\n- {line}" for line in lines)


def _wrongly(name, part):
    """How often a part in which no network has it said it; nothing where it never did."""
    if not part["wrong_first"] + part["false_alarms"]:
        return ""
    return f"Among those {PARTS[name]}: {_first_in_others(part).lower()}"


def _first_in_others(part):
    return (
        f"Wrongly first in {part['wrong_first']} of {part['wrong_first_of']} with another fault; "
        f"said in {part['false_alarms']} of {part['false_alarms_of']} that learn."
    )


def _about(part):
    other = part["other_right_first"]
    others = f" (another right one in {other} more)" if other else ""
    cured = f"; its remedy cured {part['cured']} of {part['cured_of']}" * (part["cured_of"] > 0)
    return (
        f"{part['networks']} have it, in {part['trainings']} trainings. It was said first in "
        f"{part['first']} of {part['trainings']}{others}, at all in {part['at_all']}{cured}. "
        f"{_first_in_others(part)}"
    )


def verdict_in_battery(name):
    """How often a verdict was right on networks whose state is known beforehand."""
    known = BATTERY["verdicts"]["scores"][name]
    wrong = f" It was given wrongly in {known['wrong']}."
    if not known["trainings"]:
        return f"{NONE} as its right answer.{wrong}"
    return (
        f"Of the networks of known state, {known['networks']} should get it; it was given in "
        f"{known['given']} of {known['trainings']} trainings.{wrong}"
    )


def state_in_battery(name):
    """How often a state was said, and how many of those networks learn."""
    parts = BATTERY["states"][name]
    return " ".join(
        f"Of the networks {which}, {parts[part]['trainings']} trainings got it; by their answers "
        f"in the end, {parts[part]['learn']} of these learn."
        for part, which in PARTS.items()
    )
