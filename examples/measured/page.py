"""The page of all claims, made from what was measured."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from measured.claim import Claim, Outcome

INTRODUCTION = """\
# The papers' claims, measured again

Ten claims on which this package is built. Each was measured again with it, on a small machine and
small data, by a command that is printed here. Before each run it was written down, in the code,
what was expected and which rule decides whether the measurement agrees with the paper. The rule
decides from the interval, not from the best value: `yes`, `in part`, `no`, or `inconclusive` where
the interval is too wide or this size of network cannot tell.

A number here is not expected to equal the number there: networks, data and length of training
differ. What should be the same is the direction and, where the paper has a law, its exponent.
"""
HEAD = """\
| | claim | who | the number there | the number here, with its 95 % interval | n, seeds | agrees |
|---|---|---|---|---|---|---|"""


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
    cells = (name, claim.title, claim.who, claim.there, outcome.here, seeds, outcome.agrees)
    return f"| {' | '.join(cells)} |"


def anchor(claim: Claim) -> str:
    """Where the section of a claim can be found on the page."""
    return f"claim-{claim.letter}"


def _section(row: Measured) -> str:
    claim, outcome, record = row
    picture = f"![{claim.title}](claims/{claim.letter}.svg)\n\n" if outcome.chart else ""
    return f"""\
<a id="{anchor(claim)}"></a>

## ({claim.letter}) {claim.title}

**The paper.** {claim.says} Source: {claim.source}.

**Expected, and the rule.** {claim.expected}

**Measured here.** {claim.how}

```
{record["command"]}
```

{picture}**Result.** {outcome.here}. Agrees: **{outcome.agrees}**.

**What this does not show.** {claim.beyond}

*{outcome.n}; seeds {_seeds(outcome.seeds)}; {record["hardware"]}; {_versions(record)}; \
{record["date"]}; {_duration(record["seconds"])}.*
"""


def _seeds(seeds: list[int]) -> str:
    first, last = seeds[0], seeds[-1]
    in_a_row = len(seeds) > 2 and seeds == list(range(first, last + 1))
    return f"{first} to {last}" if in_a_row else ", ".join(map(str, seeds))


def _versions(record: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in record["versions"].items())


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
