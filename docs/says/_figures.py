"""How often findings, states and verdicts were right in the battery, in words."""

import json
from pathlib import Path

BATTERY = json.loads(Path(__file__).with_name("battery.json").read_text("utf-8"))
NONE = "No network of the battery has it"
PARTS = {"made": "with which the rules were made", "drawn": "drawn by lot afterwards"}


def in_battery(kind):
    """How often a finding was right, in the two parts of the battery."""
    parts = BATTERY["findings"][kind]
    if not any(parts[name]["trainings"] for name in PARTS):
        wrong = sum(parts[name]["wrong_first"] + parts[name]["false_alarms"] for name in PARTS)
        return f"{NONE}." + f" It was said wrongly in {wrong} trainings." * (wrong > 0)
    return "".join(f"\n\n- {_about(parts[name], which)}" for name, which in PARTS.items())


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
