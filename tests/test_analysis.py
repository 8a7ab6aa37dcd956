"""Verdicts on runs whose state is known because the numbers were made for it."""

import numpy as np
import pandas as pd
import pytest

from keraskip.analysis import SMALLEST, attenuation, judge, profile
from keraskip.callbacks.statistics import STATISTICS
from keraskip.runs import RunWriter, load_run

SIZE = 4


def weight(depth, role):
    shape = [2, 2] if role == "kernel" else [SIZE]
    layer = f"layer{depth}"
    return {
        "path": f"{layer}/{role}",
        "layer": layer,
        "role": role,
        "depth": depth,
        "shape": shape,
        "size": SIZE,
    }


def write_run(path, bias_rms, *, steps=20, kernel_rms=1e-3, frozen=0.0, info=None, epochs=()):
    """A network with one kernel and one bias a layer; the last layer is the output."""
    layers = len(bias_rms)
    weights = [weight(d + 1, role) for d in range(layers) for role in ("kernel", "bias")]
    values = np.zeros((steps, 2 * layers, len(STATISTICS)), np.float32)
    norm = np.sqrt(SIZE) * np.asarray(bias_rms)
    values[:, 1::2, STATISTICS.index("grad_norm")] = norm
    values[:, 0::2, STATISTICS.index("grad_norm")] = np.sqrt(SIZE) * kernel_rms
    values[:, 0::2, STATISTICS.index("frozen")] = frozen
    writer = RunWriter(path, info or {}, weights, STATISTICS)
    writer.append(np.arange(steps), values)
    for row in epochs:
        writer.add_epoch(row)
    return path


def verdict_of(path, bias_rms, **options):
    return judge(load_run(write_run(path, bias_rms, **options)))


LAYERS = np.arange(20)


@pytest.mark.parametrize(
    ("bias_rms", "expected"),
    [
        (10.0 ** (-9 + 0.4 * LAYERS), "vanishing"),
        (10.0 ** (-1 - 0.4 * LAYERS), "exploding"),
        (10.0 ** (-2 + 0.01 * LAYERS), "healthy"),
        (10.0 ** (-2 + 0.11 * LAYERS + 0.8 * (-1.0) ** LAYERS), "inconclusive"),
        (np.full(3, 1e-2), "inconclusive"),
    ],
)
def test_verdict(tmp_path, bias_rms, expected):
    assert verdict_of(tmp_path, bias_rms).verdict == expected


def test_attenuation_is_the_fall_between_the_hidden_layers(tmp_path):
    found = verdict_of(tmp_path, 10.0 ** (-9 + 0.4 * LAYERS)).attenuation
    assert found.orders == pytest.approx(0.4 * 18, rel=1e-5)
    assert found.low <= found.orders <= found.high


def test_interval_covers_the_truth():
    draw = np.random.default_rng(0)
    depth = np.arange(1.0, 20)
    covered = 0
    for _ in range(1000):
        heights = -5 + 0.1 * depth + draw.normal(0, 0.3, len(depth))
        found = attenuation(pd.DataFrame({"depth": depth, "rms": 10**heights}))
        covered += found.low <= 0.1 * 18 <= found.high
    assert 930 <= covered <= 970


def test_a_gradient_of_exactly_zero_is_the_smallest_number_not_minus_infinity(tmp_path):
    run = load_run(write_run(tmp_path, np.zeros(20)))
    rms = profile(run, "backward", slice(0, 1))["rms"]
    assert rms.to_numpy() == pytest.approx(SMALLEST, rel=1e-9, abs=0)


def test_the_output_layer_is_left_out(tmp_path):
    run = load_run(write_run(tmp_path, np.ones(5)))
    assert profile(run, "kernel", slice(0, 1))["depth"].tolist() == [1, 2, 3, 4]


def test_a_nan_is_named_with_its_step(tmp_path):
    write_run(tmp_path, np.full(20, 1e-2))
    run = load_run(tmp_path)
    broken = run.statistics["grad_nonfinite"].copy()
    broken[7, 3] = 2
    run.statistics["grad_nonfinite"] = broken
    verdict = judge(run)
    assert verdict.verdict == "diverged"
    assert "step 7" in verdict.reason


def test_a_run_without_steps_is_inconclusive(tmp_path):
    verdict = verdict_of(tmp_path, np.ones(20), steps=0)
    assert (verdict.verdict, verdict.attenuation) == ("inconclusive", None)


def test_first_kernel(tmp_path):
    verdict = verdict_of(tmp_path, np.ones(20), kernel_rms=1e-15, frozen=0.75)
    assert verdict.first_rms == pytest.approx(1e-15, rel=1e-5)
    assert verdict.first_frozen == pytest.approx(0.75)


@pytest.mark.parametrize(("accuracy", "at_chance"), [(0.08, True), (0.11, True), (0.2, False)])
def test_chance(tmp_path, accuracy, at_chance):
    verdict = verdict_of(
        tmp_path,
        np.ones(20),
        info={"classes": 10, "train_images": 1437},
        epochs=[{"epoch": 0, "steps": 20, "accuracy": accuracy, "val_accuracy": 0.5}],
    )
    assert (verdict.at_chance, verdict.chance, verdict.held_out) == (at_chance, 0.1, 0.5)
