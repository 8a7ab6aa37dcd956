"""Verdicts on runs whose state is known because the numbers were made for it."""

import json

import numpy as np
import pytest
from battery import BATTERY, verdict_on

from keraskip.analysis.groups import grouped
from keraskip.analysis.profiles import SMALLEST, profile
from keraskip.analysis.verdicts import RULES, judge
from keraskip.analysis.windows import early_steps
from keraskip.callbacks.columns import STATISTICS
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
    """A run of a network with a kernel and a bias in each layer; the last layer is the output.

    `bias_rms` is the RMS gradient of the biases, in all steps alike [layers] or by step
    [steps, layers].
    """
    layers = np.shape(bias_rms)[-1]
    weights = [weight(d + 1, role) for d in range(layers) for role in ("kernel", "bias")]
    values = np.zeros((steps, 2 * layers, len(STATISTICS)), np.float32)
    norm = np.sqrt(SIZE) * np.asarray(bias_rms)
    values[:, 1::2, STATISTICS.index("grad_norm")] = norm
    values[:, 0::2, STATISTICS.index("grad_norm")] = np.sqrt(SIZE) * kernel_rms
    values[:, 0::2, STATISTICS.index("frozen")] = frozen
    values[:, :, STATISTICS.index("weight_norm")] = 1
    values[:, :, STATISTICS.index("update_norm")] = 1e-3
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
        (np.full(3, 1e-2), "healthy"),
    ],
)
def test_verdict(tmp_path, bias_rms, expected):
    assert verdict_of(tmp_path, bias_rms).verdict == expected


def test_attenuation_is_the_fall_between_the_hidden_layers(tmp_path):
    attenuation = verdict_of(tmp_path, 10.0 ** (-9 + 0.4 * LAYERS)).attenuation
    assert attenuation.value == pytest.approx(0.4 * 18, rel=1e-5)
    assert attenuation.low <= attenuation.value <= attenuation.high


def test_a_gradient_of_exactly_zero_is_the_smallest_number_not_minus_infinity(tmp_path):
    run = load_run(write_run(tmp_path, np.zeros(20)))
    rms = profile(run, "backward", early_steps(run))["rms"]
    assert rms.to_numpy() == pytest.approx(SMALLEST, rel=1e-9, abs=0)


def test_the_output_layer_is_left_out(tmp_path):
    run = load_run(write_run(tmp_path, np.ones(5)))
    assert profile(run, "kernel", early_steps(run))["depth"].tolist() == [1, 2, 3, 4]


def changed(path, statistic, step, columns, value):
    """A healthy run in which one statistic of some weights is changed to `value`."""
    run = load_run(write_run(path, np.full(20, 1e-2)))
    numbers = run.statistics[statistic].copy()
    numbers[step, columns] = value
    run.statistics[statistic] = numbers
    return run


def broken(path, steps):
    """A healthy run in which all gradients of some steps are infinite and change nothing."""
    run = changed(path, "grad_nonfinite", steps, slice(None), 2)
    for statistic, value in (("grad_norm", np.inf), ("update_norm", 0)):
        run.statistics[statistic] = getattr(run, statistic).copy()
        run.statistics[statistic][steps] = value
    return run


def test_gradients_that_stay_nan_are_named_with_their_first_step(tmp_path):
    run = broken(tmp_path, slice(7, None))
    run.update_norm[:] = np.nan
    verdict = judge(run)
    assert (verdict.verdict, verdict.attenuation) == ("diverged", None)
    assert "step 7" in verdict.reason


def test_nan_from_the_first_step(tmp_path):
    run = broken(tmp_path, slice(None))
    run.update_norm[:] = np.nan
    verdict = judge(run)
    assert verdict.verdict == "diverged"
    assert np.isnan([verdict.first_rms, verdict.first_frozen, verdict.update_ratio]).all()


@pytest.mark.parametrize("steps", [0, 7, [0, 19], slice(1, 4)])
def test_steps_that_loss_scaling_skips_are_only_counted(tmp_path, steps):
    run = broken(tmp_path, steps)
    # A weight that never gets a gradient.
    for statistic in ("grad_norm", "update_norm", "grad_nonfinite"):
        getattr(run, statistic)[:, 5] = np.nan
    verdict = judge(run)
    assert verdict.verdict == "healthy"
    assert verdict.nonfinite_steps == len(np.arange(20)[steps].ravel())
    assert verdict.first_rms == pytest.approx(1e-3)


def test_steps_that_only_accumulate_are_left_out(tmp_path):
    run = load_run(write_run(tmp_path, 10.0 ** (-9 + 0.4 * LAYERS), steps=40))
    for statistic in run.statistics:
        run.statistics[statistic] = getattr(run, statistic).copy()
        run.statistics[statistic][np.arange(40) % 4 < 3] = np.nan
    verdict = judge(run)
    assert verdict.verdict == "vanishing"
    assert verdict.first_rms == pytest.approx(1e-3)


def test_a_bias_before_a_normalisation_is_no_signal(tmp_path):
    run = load_run(write_run(tmp_path, np.full(20, 1e-2)))
    kernels = run.weights["role"] == "kernel"
    run.weights.loc[kernels, "role"] = "beta"
    run.weights.loc[kernels, "shape"] = run.weights.loc[~kernels, "shape"].to_numpy()
    run.statistics["grad_norm"] = np.where(kernels, 1e-2, 1e-10 * np.ones((20, 1)))
    assert judge(run).verdict == "healthy"


def test_a_run_of_some_layers_knows_how_deep_the_network_is(tmp_path):
    run = load_run(write_run(tmp_path, np.ones(5), info={"depth": 9}))
    assert profile(run, "kernel", early_steps(run))["depth"].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("growth", "verdict"), [(50, "healthy"), (1e4, "diverged")])
def test_weights_that_grow(tmp_path, growth, verdict):
    assert judge(changed(tmp_path, "weight_norm", 19, 4, growth)).verdict == verdict


def test_a_dead_layer_is_named_and_those_below_it_are_not_to_blame(tmp_path):
    run = changed(tmp_path, "grad_norm", slice(None), slice(0, 20), 0)
    verdict = judge(run)
    assert verdict.verdict == "dead"
    assert "10 layers, the last one layer10," in verdict.reason


def test_an_underflow_is_no_dead_layer(tmp_path):
    assert verdict_of(tmp_path, 10.0 ** (-60 + 3 * LAYERS)).verdict == "vanishing"


def test_each_verdict_has_a_rule():
    assert set(RULES) == {*(known.expected for known in BATTERY), "inconclusive"}


# One that is healthy and one that is not; more of them: tests/test_recorder_controls.py.
QUICK = ("plain8, batch norm",)


@pytest.mark.slow
@pytest.mark.parametrize("known", [k for k in BATTERY if k.name in QUICK], ids=lambda k: k.name)
def test_a_network_of_known_state(tmp_path, known):
    """All of them, three seeds each: tests/benchmarks/known_networks.py."""
    assert verdict_on(known, 0, tmp_path / "run").verdict == known.expected


def test_seeds_of_one_network_are_judged_together(tmp_path):
    draw = np.random.default_rng(0)
    for seed in range(3):
        heights = -9 + (0.4 + 0.01 * draw.normal()) * LAYERS
        write_run(tmp_path / f"net_seed{seed}", 10.0**heights)
    write_run(tmp_path / "other", 10.0**heights)
    # Keras goes on numbering layers.
    info = json.loads((tmp_path / "net_seed1" / "run.json").read_text())
    for weight in info["weights"]:
        weight["path"] = "sequential_1/" + weight["path"]
    (tmp_path / "net_seed1" / "run.json").write_text(json.dumps(info))
    runs = [load_run(tmp_path / name) for name in ("net_seed0", "other", "net_seed1", "net_seed2")]
    groups = grouped(runs)
    assert [(group.name, len(group.runs)) for group in groups] == [("net", 3), ("other", 1)]
    assert groups[0].verdict == "vanishing"
    assert groups[0].attenuation.margin > groups[1].attenuation.margin


def test_a_seed_that_diverged_leaves_the_group_without_a_verdict(tmp_path):
    good = load_run(write_run(tmp_path / "net_seed0", np.full(20, 1e-2)))
    bad = broken(tmp_path / "net_seed1", slice(7, None))
    bad.update_norm[:] = np.nan
    assert grouped([good, bad])[0].judgement[:2] == ("inconclusive", "1 of 2 seeds diverged")


def test_a_change_that_all_seeds_show_is_one_of_the_network(tmp_path):
    """Healthy at first and vanishing at the end, in each of three seeds, from other steps on."""
    random = np.random.default_rng(0)
    runs = []
    for seed in range(3):
        heights = np.full((60, 20), -2.0) + 0.05 * random.normal(size=(1, 20))
        heights[30 + seed :] -= 0.3 * (19 - LAYERS)
        runs.append(load_run(write_run(tmp_path / f"net_seed{seed}", 10.0**heights, steps=60)))
    (group,) = grouped(runs)
    assert [verdict.since for verdict in group.verdicts] == [30, 31, 32]
    assert group.verdict == "vanishing"
    assert group.judgement.reason.startswith("healthy at first, vanishing at the end of all seeds")


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
