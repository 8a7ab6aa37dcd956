"""The pairs of groups that are compared, and the findings about them."""

import re

import numpy as np
import pytest
from test_analysis import write_run

from keraskip import compare
from keraskip.analysis.contrasts import degradations, effects
from keraskip.analysis.groups import grouped
from keraskip.runs import load_run

LAYERS = np.arange(20)


def runs_of(folder, family, depth, slope=0.0, accuracies=(0.5,), **settings):
    """A run for each accuracy, with seeds 0, 1 and so on; the signal shrinks by `slope` a layer."""
    runs = []
    for seed, accuracy in enumerate(accuracies):
        name = f"{family}{depth}_seed{seed}"
        arguments = {"depth": depth, **settings}
        trial = {"name": name, "family": family, "seed": seed, "arguments": arguments}
        heights = -9 + slope * LAYERS + 0.01 * (-1.0) ** LAYERS
        epochs = [{"epoch": 0, "steps": 20, "accuracy": accuracy}]
        info = {"trial": trial}
        runs.append(load_run(write_run(folder / name, 10.0**heights, info=info, epochs=epochs)))
    return runs


def test_a_network_is_compared_with_its_plain_twin(tmp_path):
    runs = [
        *runs_of(tmp_path, "plain", 20, 0.3),
        *runs_of(tmp_path, "plain", 56, 0.4),
        *runs_of(tmp_path, "resnet", 56, 0.1, shortcut="A"),
        *runs_of(tmp_path, "densenet", 19, 0.0, growth_rate=12),
    ]
    orders_of = {(e.reference.name, e.other.name): e.orders for e in effects(grouped(runs))}
    assert list(orders_of) == [("plain56", "resnet56"), ("plain20", "densenet19")]
    orders = orders_of["plain56", "resnet56"]
    assert orders.value == pytest.approx(0.3 * 18, rel=0.01)
    assert 0 < orders.low < orders.high


@pytest.mark.parametrize(("family", "depth"), [("resnet", 20), ("densenet", 40)])
def test_no_twin(tmp_path, family, depth):
    plain = runs_of(tmp_path, "plain", 20, activation="tanh")
    assert effects(grouped([*plain, *runs_of(tmp_path, family, depth)])) == []


def test_without_a_plain_twin_a_network_that_differs_in_one_setting(tmp_path):
    runs = []
    for shortcut, depth in (("A", 20), ("B", 20), ("B", 56)):
        folder = tmp_path / shortcut
        runs += runs_of(folder, "resnet", depth, shortcut=shortcut)
    settings = [(e.reference.settings, e.other.settings) for e in effects(grouped(runs))]
    assert [(mine["shortcut"], other["shortcut"]) for mine, other in settings] == [("A", "B")]


def test_a_network_of_a_study_is_compared_with_itself_before_add_skips(tmp_path):
    plain = runs_of(tmp_path, "mlp", 20, 0.3, (0.1, 0.12))
    twin = runs_of(tmp_path / "twin", "mlp", 20, 0.1, (0.9, 0.92))
    for run in twin:
        run.info["trial"]["skips"] = {"scale": "learned"}
    other = runs_of(tmp_path / "other", "mlp", 20, 0.1, activation="relu", units=8)
    (effect,) = effects(grouped([*other, *plain, *twin]))
    assert effect.reference.runs == tuple(plain)
    assert effect.other.runs == tuple(twin)
    assert effect.gap.value == pytest.approx(-0.8)
    assert effect.gap.high < 0


def test_runs_of_ones_own_are_compared_with_the_first(tmp_path):
    runs = []
    for name, slope in (("mine", 0.4), ("changed", 0.1), ("other", 0.2)):
        heights = -9 + slope * LAYERS
        runs.append(load_run(write_run(tmp_path / name, 10.0**heights)))
    assert [(e.reference.name, e.other.name) for e in effects(grouped(runs))] == [
        ("mine", "changed"),
        ("mine", "other"),
    ]


def test_a_dead_network_and_one_with_another_signal_are_not_compared(tmp_path):
    runs = [load_run(write_run(tmp_path / name, np.full(20, 1e-2))) for name in ("a", "b", "c")]
    runs[1].statistics["grad_norm"] = np.where(np.arange(40) < 20, 0, runs[1].grad_norm)
    runs[2].weights["role"] = runs[2].weights["role"].replace("bias", "scale")
    groups = grouped(runs)
    assert [group.verdict for group in groups] == ["healthy", "dead", "healthy"]
    assert effects(groups) == []


@pytest.mark.parametrize(
    ("shallow", "deep", "finding"),
    [
        ([0.95, 0.96, 0.95], [0.90, 0.91, 0.89], "degraded"),
        ([0.90, 0.91, 0.89], [0.95, 0.96, 0.95], "not degraded"),
        ([0.95, 0.90, 0.85], [0.94, 0.86, 0.90], "inconclusive"),
        ([0.95], [0.50], "inconclusive"),
    ],
)
def test_degradation(tmp_path, shallow, deep, finding):
    runs = runs_of(tmp_path, "plain", 20, accuracies=shallow)
    runs += runs_of(tmp_path, "plain", 56, accuracies=deep)
    (degradation,) = degradations(grouped(runs))
    assert (degradation.shallow.name, degradation.deep.name) == ("plain20", "plain56")
    assert degradation.gap.value == pytest.approx(np.mean(shallow) - np.mean(deep))
    assert degradation.finding == finding
    assert degradation.cell == f"signal healthy, {finding}"


@pytest.mark.parametrize(
    ("deep", "expected"),
    [
        (
            [0.1, 0.1],
            r"degraded; .*85\.0 points above .*\(95 % interval \+78\.6 to \+91\.4, 2 and 2 seeds",
        ),
        ([0.1], r"inconclusive; .*2 and 1 seeds, and two of each are needed for an interval"),
    ],
)
def test_the_page_says_whether_depth_hurts_with_its_interval(tmp_path, deep, expected):
    runs = runs_of(tmp_path, "plain", 20, accuracies=[0.945, 0.955])
    runs += runs_of(tmp_path, "plain", 56, accuracies=deep)
    (sentence,) = compare(*runs).about_degradations
    assert re.search(f"does more depth hurt\\? {expected}", sentence), sentence


def test_unequal_budgets_say_nothing_of_depth(tmp_path):
    shallow = runs_of(tmp_path, "plain", 20, accuracies=[0.95, 0.96])
    deep = runs_of(tmp_path, "plain", 56, accuracies=[0.1, 0.1])
    deep[0].info["epochs"].append({"epoch": 1, "steps": 20, "accuracy": 0.1})
    assert degradations(grouped([*shallow, *deep]))[0].finding == "inconclusive"


@pytest.mark.parametrize("info", [{"trial": "mine"}, {"classes": 10}, {"trial": {"depth": "9"}}])
def test_facts_of_ones_own_do_no_harm(tmp_path, info):
    epochs = [{"epoch": 0, "steps": 20, "accuracy": 0.5}]
    runs = [
        load_run(write_run(tmp_path / name, np.ones(20), info=info, epochs=epochs)) for name in "ab"
    ]
    groups = grouped(runs)
    assert [group.verdict for group in groups] == ["healthy", "healthy"]
    assert degradations(groups) == []
    effects(groups)


def test_only_depth_may_differ(tmp_path):
    runs = runs_of(tmp_path, "plain", 20, activation="tanh")
    runs += runs_of(tmp_path, "plain", 56, activation="relu")
    assert degradations(grouped(runs)) == []


def test_the_two_networks_of_a_gan_are_no_pair(tmp_path):
    """Each is compared with its like in another run."""
    parts = []
    for name in ("before", "after"):
        for part in ("critic", "generator"):
            heights = -9 + 0.1 * len(name) * LAYERS + 0.01 * (-1.0) ** LAYERS
            info = {"part": part}
            parts.append(load_run(write_run(tmp_path / part / name, 10.0**heights, info=info)))
    pairs = [(each.reference.label, each.other.label) for each in effects(grouped(parts))]
    assert pairs == [
        ("before (critic)", "after (critic)"), ("before (generator)", "after (generator)")
    ]  # fmt: skip
    assert effects(grouped(parts[:2])) == []
