"""Under batch normalisation the residual branches shrink with depth."""

import numpy as np

from keraskip import build_resnet
from measured.claim import Agrees, Chart, Claim, Numbers, Outcome
from measured.intervals import Interval, slope, student
from measured.networks import looked_at
from measured.pictures import lines, log_axis
from measured.progress import shown
from measured.verdicts import above, near, together

NAMES = {"batch": "batch normalisation", "none": "no normalisation"}
FIRST = 4  # before, the variance of the stem still counts
LOW, HIGH, FLAT = -1.2, -0.8, -0.3


def measure(reduced: bool) -> Outcome:
    """Looks at the branches of new networks of one stage, with and without normalisation."""
    seeds, blocks = (range(2), 6) if reduced else (range(8), 32)
    shares: dict[str, list[list[float]]] = {"batch": [], "none": []}
    for seed in shown(seeds, "(c) branches"):
        for kind, found in shares.items():
            rows = looked_at(
                seed, build_resnet, variant="preact", stage_blocks=[blocks], filters=[32],
                normalization=None if kind == "none" else kind,
            )  # fmt: skip
            found.append([row["value"] for row in rows if row["probe"] == "branch_share"])
    return read({"seeds": list(seeds), "shares": shares})


def read(numbers: Numbers) -> Outcome:
    """What follows from the numbers."""
    exponent = {kind: _exponent(rows) for kind, rows in numbers["shares"].items()}
    here = (
        f"branch variance over shortcut variance goes as block^{exponent['batch'].text('.2f')}; "
        f"without normalisation block^{exponent['none'].text('.2f')}"
    )
    verdict = rule(exponent["batch"], exponent["none"])
    n = f"{2 * len(numbers['seeds'])} networks of {len(numbers['shares']['batch'][0])} blocks"
    return Outcome(here, verdict, n, numbers["seeds"], numbers, _chart(numbers))


def rule(batch_norm: Interval, without: Interval) -> Agrees:
    """The rule in `expected`."""
    return together([near(batch_norm, LOW, HIGH), above(without, FLAT)])


def _exponent(rows: list[list[float]]) -> Interval:
    blocks = np.log(np.arange(FIRST, len(rows[0]) + 1))
    return student([slope(blocks, np.log(shares[FIRST - 1 :])) for shares in rows])


def _chart(numbers: Numbers) -> Chart:
    points = [
        {"series": NAMES[kind], "block": block + 1, "share": float(np.exp(np.mean(np.log(values))))}
        for kind, rows in numbers["shares"].items()
        for block, values in enumerate(zip(*rows, strict=True))
    ]
    y = log_axis("share", "variance of branch / variance of shortcut")
    return lines(points, log_axis("block", "number of the block"), y, list(NAMES.values()))


CLAIM = Claim(
    letter="c",
    title="Under batch normalisation the residual branches shrink with depth",
    who="De & Smith 2020",
    source="De and Smith, Batch normalization biases residual blocks towards the identity function "
    "in deep networks, arXiv 2002.10444",
    says="At initialisation, batch normalisation shrinks the residual branch against the skip "
    "connection, by a factor on the order of the square root of the depth (abstract). In terms of "
    "variances: the branch of block number l has about 1/l of the variance of its shortcut.",
    there="variance ratio 1/l, an exponent of -1",
    expected="Expected: the ratio of variances falls as a power of the block's number with "
    "exponent -1, and does not fall without normalisation. The interval of the exponent lies "
    "within -1.2 to -0.8, and that of networks without normalisation above -0.3: `yes`. One of the "
    "two: `in part`. Both outside: `no`; else `inconclusive`.",
    how="New pre-activation networks of one stage with 32 blocks and 32 channels get 64 digits. "
    'The ratio is `"branch_share"` of the recorder\'s probe. The exponent is the slope of its '
    "logarithm over the logarithm of the block's number, from block 4 on, where the stem's own "
    "variance no longer matters. Interval: Student, over the seeds.",
    beyond="This is the state before training. Networks of several stages start anew at each "
    "change of the shape whose shortcut is normalised or a new convolution.",
    measure=measure,
    read=read,
)
