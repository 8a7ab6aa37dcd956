"""The page of all claims, made from what was measured."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from measured.claim import Claim, Outcome

INTRODUCTION = """\
# The papers' claims, measured again

Ten claims on which this package is built, each measured again with it: on two processor cores,
with small networks and small data, by a command that is printed here.

Each section says what was expected, and by which rule the measurement agrees with the paper. The
code computes the verdict from the interval: `yes`, `in part`, `no`, or `inconclusive` where the
interval is too wide. Expectation and rule were written before the first full measurement. Some
parts were changed after a result had been seen, which makes the evidence weaker. These sections say
so under *Changed after a result*.

A number here need not equal the number there: networks, data and length of training differ. The
direction should be the same and, where the paper has a law, its exponent.
"""
HEAD = """\
| | claim | agrees | the number there | the number here, with its 95 % interval | n, seeds |
|---|---|---|---|---|---|"""


class Measured(NamedTuple):
    """A claim, what was measured of it, and the circumstances (`claims.py` notes them)."""

    claim: Claim
    outcome: Outcome
    record: dict[str, Any]


def page_of(rows: Sequence[Measured]) -> str:
    """The page in Markdown: a table of all claims, and a section for each."""
    table = "\n".join((HEAD, *map(_row, rows)))
    return "\n".join((INTRODUCTION, table, "", *map(_section, rows)))


def _row(row: Measured) -> str:
    claim, outcome = row.claim, row.outcome
    name = f"[({claim.letter})](#{anchor(claim)})"
    seeds = f"{outcome.n}, {len(outcome.seeds)} seeds"
    title = f"{claim.title} ({claim.who})"
    cells = (name, title, f"**{outcome.agrees}**", claim.there, outcome.here, seeds)
    return f"| {' | '.join(cells)} |"


def anchor(claim: Claim) -> str:
    """Where the section of a claim can be found on the page."""
    return f"claim-{claim.letter}"


def _section(row: Measured) -> str:
    claim, outcome, record = row
    picture = f"![{claim.title}](claims/{claim.letter}.svg)\n\n" if outcome.chart else ""
    changed = f"**Changed after a result.** {claim.changed}\n\n" if claim.changed else ""
    return f"""\
<a id="{anchor(claim)}"></a>

## ({claim.letter}) {claim.title}

**Agrees: {outcome.agrees}.** {capital(outcome.here)}.

{picture}**The paper.** {claim.says} Source: {claim.source}.

**Expected, and the rule.** {claim.expected}

**Measured here.** {claim.how}

```
{record["command"]}
```

{changed}**Not shown.** {claim.beyond}

*{outcome.n}; seeds {_seeds(outcome.seeds)}; {record["hardware"]}; {_versions(record)}; \
{record["date"]}; {_duration(record["seconds"])}.*
"""


def capital(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def _seeds(seeds: list[int]) -> str:
    first, last = seeds[0], seeds[-1]
    in_a_row = len(seeds) > 2 and seeds == list(range(first, last + 1))
    return f"{first} to {last}" if in_a_row else ", ".join(map(str, seeds))


def _versions(record: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in record["versions"].items())


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
