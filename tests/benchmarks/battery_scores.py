"""Counts of what was right, with intervals."""

from math import sqrt

NOTICED, ALARMS, KIND, LAYER, CURED = 0.97, 0.02, 0.85, 0.9, 0.7


def wilson(right, count):
    """The 95 % interval of a share (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    z, share = 1.96, right / count
    middle = share + z * z / (2 * count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


class Tally:
    """How often something was right, and where it was not."""

    def __init__(self, answers):
        """Takes pairs of a row, and whether it is right."""
        answers = list(answers)
        self.count = len(answers)
        self.right = sum(bool(is_right) for _, is_right in answers)
        self.missed = [label(row) for row, is_right in answers if not is_right]

    def __str__(self):
        if not self.count:
            return "–"
        low, high = wilson(self.right, self.count)
        share = self.right / self.count
        return f"{self.right}/{self.count} = {share:.0%} [{low:.0%}, {high:.0%}]"

    @property
    def share(self):
        return self.right / max(self.count, 1)


def label(row):
    return f"{row['name']} ({row['seed']})"


def is_noticed(row):
    return row["state"] in ("diverged", "frozen", "not learning") or bool(row["found"])


def tallies(rows):
    """The figures that are asked for, by name."""
    failing = [row for row in rows if not row["learns"]]
    with_kind = [row for row in failing if row["expected"]]
    with_layer = [row for row in with_kind if row["layer"]]
    curable = [row for row in with_kind if row["curable"] and "cured" in row]
    return {
        "noticed": Tally((row, is_noticed(row)) for row in failing),
        "no false alarm": Tally((row, not is_noticed(row)) for row in rows if row["learns"]),
        "right kind first": Tally((r, r["found"][:1] and r["found"][0] in r["expected"])
                                  for r in with_kind),
        "right layer": Tally((row, row["blames"][:1] == [row["layer"]]) for row in with_layer),
        "cured": Tally((row, row["cured"]) for row in curable),
    }  # fmt: skip


def print_scores(rows):
    """Prints all tables; returns whether every figure is within its limit."""
    figures = tallies(rows)
    print()
    for name, tally in figures.items():
        print(f"{name:<18}{tally}")
        for missed in tally.missed:
            print(f"    not: {missed}")
    for key in ("family", "fault"):
        _print_by(key, rows)
    _print_others(rows)
    _print_doubts(rows)
    limits = (NOTICED, 1 - ALARMS, KIND, LAYER, CURED)
    pairs = zip(figures.values(), limits, strict=True)
    return all(not tally.count or tally.share >= limit for tally, limit in pairs)


def _print_by(key, rows):
    names = list(tallies([]))
    print(f"\n{key:<32}" + "".join(f"{name:<29}" for name in names))
    for value in dict.fromkeys(row[key] for row in rows):
        figures = tallies([row for row in rows if row[key] == value])
        print(f"{value:<32}" + "".join(f"{figures[name]!s:<29}" for name in names))


def _print_others(rows):
    """The rules of others: each, and any of them."""
    print(f"\n{'rules of others':<32}{'noticed':<29}no false alarm")
    for system in ("sagemaker", "autotrainer"):
        rules = sorted({rule for row in rows for rule in row[system]})
        for rule in [None, *rules]:
            fired = [(row, rule in row[system] if rule else bool(row[system])) for row in rows]
            noticed = Tally(pair for pair in fired if not pair[0]["learns"])
            quiet = Tally((row, not fires) for row, fires in fired if row["learns"])
            print(f"{system + ': ' + (rule or 'any'):<32}{noticed!s:<29}{quiet}")


def _print_doubts(rows):
    """Where the table itself may be wrong."""
    for row in rows:
        if row["expected"] and row["learns"]:
            print(f"learns in spite of its fault: {label(row)}, {row['learned']:.2f}")
        if not row["expected"] and not row["learns"]:
            print(f"does not learn, without a fault: {label(row)}, {row['learned']:.2f}")
        if row.get("blamed", row["layer"]) != row["layer"]:
            print(f"an independent gradient blames {row['blamed']}: {label(row)}")
