"""Which weights a verdict compares, and what it says of profiles that are no line.

Each test says what is right; the numbers of the runs are made for it.
"""

import re

import numpy as np
import pytest
from made_runs import STEPS, chain, layer, made_run

from keraskip.analysis import judge

LATE = np.arange(STEPS)[:, None]
JITTER = 0.05 * np.random.default_rng(0).normal(size=31)


def judged(folder, orders, **options):
    """The verdict on a chain whose biases have these heights; the last bias is the output's."""
    orders = np.asarray(orders, float)
    jitter = JITTER[: orders.shape[-1]]
    return judge(
        made_run(folder, chain(orders.shape[-1] - 1, **options), 10.0 ** (orders + jitter))
    )


def test_a_drop_is_named(tmp_path):
    """4 orders between h7 and h6: vanishing by 4 orders, and the place."""
    verdict = judged(tmp_path, [-6] * 6 + [-2] * 7)
    assert (verdict.verdict, verdict.layers) == ("vanishing", ("h6",))
    assert re.search("drops 4.0 orders between h7 and h6", verdict.reason)
    assert verdict.attenuation.value == pytest.approx(4, abs=0.2)


def test_a_drop_below_the_output_is_named(tmp_path):
    """All hidden layers are alike, 5 orders below the output: vanishing, at the last one."""
    verdict = judged(tmp_path, [-7] * 8 + [-2])
    assert (verdict.verdict, verdict.layers) == ("vanishing", ("h8",))
    assert re.search(r"(4\.9|5\.0) orders between the output and h8", verdict.reason)


def test_a_hole_is_named(tmp_path):
    """h6 and h7 get 3 orders less than all others: vanishing there, and the ends are alike."""
    verdict = judged(tmp_path, [-2] * 5 + [-5] * 2 + [-2] * 7)
    assert (verdict.verdict, verdict.layers) == ("vanishing", ("h6", "h7"))
    assert re.search(r"(2\.9|3\.0) orders smaller in h6 to h7", verdict.reason)
    assert verdict.attenuation.value == pytest.approx(0, abs=0.3)


def test_a_v_is_named(tmp_path):
    """An autoencoder that loses 6 orders on the way to h8: vanishing there, larger again below."""
    verdict = judged(tmp_path, -2 - 0.8 * (7 - np.abs(np.arange(16) - 7)))
    assert (verdict.verdict, verdict.layers) == ("vanishing", ("h8",))
    assert "larger again below" in verdict.reason
    assert verdict.attenuation.value == pytest.approx(0, abs=0.5)


def test_a_peak_is_no_growth_from_end_to_end(tmp_path):
    """One layer of a larger gradient: no verdict on the whole, and the layer is named."""
    verdict = judged(tmp_path, [-3] * 6 + [0.5] + [-3] * 7)
    assert (verdict.verdict, verdict.layers) == ("inconclusive", ("h7",))
    assert "larger in h7" in verdict.reason


def test_a_bend_and_a_small_step_are_lines(tmp_path):
    """A sigmoid network that loses more per layer towards the input: vanishing, no layer named."""
    depth = np.arange(20)
    verdict = judged(tmp_path, -0.02 * (20 - depth) ** 2)
    assert (verdict.verdict, verdict.layers) == ("vanishing", ())
    verdict = judged(tmp_path / "step", [-3] * 6 + [-2] * 7)
    assert (verdict.verdict, verdict.layers) == ("healthy", ())


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([-2], "healthy"),
        ([-2, -2], "healthy"),
        ([-8, -2], "vanishing"),
        ([-2, -2, -2], "healthy"),
        ([-8, -2, -2], "vanishing"),
        ([2, -2, -2], "exploding"),
        # A line through three layers has an interval that is far too wide.
        ([-2.3, -2, -2.6, -2], "healthy"),
    ],
)
def test_few_layers_get_an_answer(tmp_path, orders, expected):
    """None to three hidden layers: from the ratio of what there is, with an error over steps."""
    noise = 0.1 * np.random.default_rng(1).normal(size=(STEPS, len(orders)))
    assert judged(tmp_path, np.array(orders) + noise).verdict == expected


def test_a_ratio_that_scatters_has_no_answer(tmp_path):
    """Two hidden layers whose ratio is anything from step to step."""
    noise = 6 * np.random.default_rng(0).normal(size=(STEPS, 3))
    assert judged(tmp_path, noise - 3).verdict == "inconclusive"


def test_healthy_at_first_then_vanishing(tmp_path):
    """A network saturates in step 35: vanishing, since about step 35, healthy before."""
    fading = -2 - 0.5 * (9 - np.arange(10))
    verdict = judged(tmp_path, np.where(LATE < 35, -2.0, fading))
    assert (verdict.verdict, verdict.since) == ("vanishing", 35)
    assert verdict.reason.startswith("healthy at first, vanishing from about step 35 on")
    assert verdict.attenuation.value == pytest.approx(0, abs=0.2)
    assert verdict.at_end.value == pytest.approx(4, abs=0.2)


def test_vanishing_at_first_then_healthy(tmp_path):
    """A network that recovers is healthy, and since when."""
    fading = -2 - 0.5 * (9 - np.arange(10))
    verdict = judged(tmp_path, np.where(LATE < 25, fading, -2.0))
    assert (verdict.verdict, verdict.since) == ("healthy", 25)


def attention(number, depth, before):
    """The rows of one attention layer: query, key and value side by side, then the output."""
    inner = {"kernel": (4, 2, 2), "bias": (2, 2)}
    names = [f"query{number}", f"key{number}", f"value{number}"]
    return [
        *(layer(name, depth, before, **inner) for name in names),
        layer(f"mixed{number}", depth + 1, names, kernel=(2, 2, 4)),
    ]


def test_biases_inside_of_attention_are_a_kind_by_themselves(tmp_path):
    """Keys have rounding errors, queries 1e-6 of values, as is usual: the outputs are healthy."""
    layers, before = [], []
    for number in range(5):
        layers += attention(number, 2 * number + 1, before)
        before = [f"mixed{number}"]
    layers.append(layer("out", 11, before, last=True))
    rms = np.array([*[1e-8, 1e-12, 1e-2, 1e-2] * 5, 1e-2])
    kernel = np.array([*[1e-8, 1e-8, 1e-2, 1e-2] * 5, 1e-2])
    verdict = judge(made_run(tmp_path, layers, rms, kernel))
    assert (verdict.verdict, verdict.signal) == ("healthy", "backward")
    assert verdict.ends == ("mixed4", "mixed0")


@pytest.mark.parametrize(
    ("orders", "positions", "expected"),
    [
        # The plain sums fall by 2.4 orders, the signal at one position does not.
        (2.4, [16, 64, 256, 1024, 4096], "healthy"),
        # They fall by 3.6 orders, the signal at one position by 1.2 or, of random signs, by 2.4.
        (3.6, [16, 64, 256, 1024, 4096], "inconclusive"),
        # Where all maps are alike, the fall is one of the signal.
        (3.6, [16] * 5, "vanishing"),
        # So it is where it is not known.
        (3.6, [None] * 5, "vanishing"),
        # A fall of 9 orders is more than maps can explain.
        (9.0, [16, 64, 256, 1024, 4096], "vanishing"),
        # A classifier: maps shrink, and the sums, which updates see, keep their size.
        (0.0, [4096, 1024, 256, 64, 16], "healthy"),
        # Half of the fall may be one of the maps.
        (5.0, [16, 64, 256, 1024, 8192], "inconclusive"),
    ],
)
def test_sums_over_positions(tmp_path, orders, positions, expected):
    """A bias's gradient is a sum over positions: maps that grow are not taken for vanishing."""
    names = [*(f"h{number}" for number in range(5)), "out"]
    counts = [*positions, positions[-1]]
    layers = [
        layer(
            name, index + 1, names[max(index - 1, 0) : index], last=name == "out", positions=count
        )
        for index, (name, count) in enumerate(zip(names, counts, strict=True))
    ]
    heights = np.append(np.linspace(-2 - orders, -2, 5), -2) + JITTER[:6]
    assert judge(made_run(tmp_path, layers, 10**heights)).verdict == expected
