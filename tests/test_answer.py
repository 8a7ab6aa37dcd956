"""What a report says first: the answer, the cards, and the text of the terminal."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_runs import classifier, falling, flat, run_of

import keraskip
from keraskip.report.answer import answer_of
from keraskip.report.cards import cards_of
from keraskip.report.markdown import as_markdown


def named(run, name, **info):
    return replace(run, path=Path(name), info={**run.info, **info})


def cut(run, count):
    """The first steps of a run."""
    statistics = {name: values[:count] for name, values in run.statistics.items()}
    scalars = {name: values[:count] for name, values in run.scalars.items()}
    return replace(run, steps=run.steps[:count], statistics=statistics, scalars=scalars)


def trial(family, depth=20):
    return {"trial": {"family": family, "depth": depth}}


@pytest.fixture(scope="module")
def stalled():
    heights = 10.0 ** (-8 + 0.4 * np.arange(20)).repeat(2)
    run = run_of(flat(), info=classifier(), layers=20, grad_norm=heights, grad_max=heights)
    return named(run, "plain20", **trial("plain"))


@pytest.fixture(scope="module")
def learns():
    run = run_of(falling(), info=classifier(), layers=20)
    return named(run, "resnet20", **trial("resnet"))


def test_twins_are_compared_in_signal_and_in_learning(stalled, learns):
    answer = answer_of(keraskip.compare(stalled, learns))
    assert answer.headline == "Skip connections kept the gradient."
    assert answer.detail.startswith("The signal of plain20 shrinks ")
    assert "the signal of resnet20 keeps its size. plain20 does not" in answer.detail
    assert answer.detail.endswith("plain20 does not learn, resnet20 learns.")


def test_where_both_signals_arrive_the_skips_are_not_praised(learns):
    heights = 10.0 ** (-1 + 0.03 * np.arange(20)).repeat(2)
    run = run_of(falling(), info=classifier(), layers=20, grad_norm=heights, grad_max=heights)
    plain, other = named(run, "plain20", **trial("plain")), learns
    answer = answer_of(keraskip.compare(plain, other))
    assert answer.headline == "The gradient arrives with and without skip connections."


def test_of_several_pairs_those_where_skips_help_are_counted(stalled, learns):
    runs = [stalled, learns, named(learns, "plain8", **trial("plain", 8))]
    answer = answer_of(keraskip.compare(*runs, named(learns, "resnet8", **trial("resnet", 8))))
    assert answer.headline == "Skip connections kept the gradient in 1 of 2 pairs."
    assert answer.detail.endswith(" 3 of 4 networks learn; not plain20.")


def test_skips_that_lose_the_gradient_are_not_praised(stalled, learns):
    plain, other = named(learns, "a", **trial("plain")), named(stalled, "b", **trial("resnet"))
    answer = answer_of(keraskip.compare(plain, other))
    assert answer.headline == "Skip connections did not keep the gradient."


def test_one_network_that_fails_comes_with_its_cause(stalled):
    comparison = keraskip.compare(stalled)
    answer = answer_of(comparison)
    assert answer.headline == "plain20 does not learn."
    assert answer.detail == comparison.diagnoses[0][0].sentence


def test_one_network_that_learns_is_called_so(learns):
    headline, detail = answer_of(keraskip.compare(learns))
    assert headline == "resnet20 learns."
    assert detail == "Its signal is healthy. Nothing was found that needs a change."


def test_a_run_of_few_steps_is_not_judged(learns):
    answer = answer_of(keraskip.compare(cut(learns, 3)))
    assert answer.headline == "resnet20 cannot be judged yet."
    assert answer.detail.startswith("Too little is known: ")


def test_several_networks_are_counted_and_those_that_fail_named(stalled, learns):
    runs = [named(run, run.name, trial=None) for run in (stalled, learns)]
    answer = answer_of(keraskip.compare(*runs, named(runs[1], "third")))
    assert answer.headline == "2 of 3 networks learn; not plain20."
    assert answer.detail.startswith("plain20: ")


def test_a_name_is_said_where_it_is_no_longer_than_its_number(stalled, learns):
    runs = [named(stalled, name, trial=None) for name in "abcde"]
    answer = answer_of(keraskip.compare(named(learns, "well", trial=None), *runs[:4]))
    assert answer.headline == "1 of 5 networks learns; not a, b, c, d."
    answer = answer_of(keraskip.compare(named(learns, "well", trial=None), *runs))
    assert answer.headline == "1 of 6 networks learns; not a, b, c and 2 more."


def test_what_nobody_can_know_yet_is_undecided(stalled, learns):
    young = cut(named(learns, "young", trial=None), 3)
    answer = answer_of(keraskip.compare(named(learns, "old", trial=None), young))
    assert answer.headline == "1 of 2 networks learns; undecided: young."
    answer = answer_of(keraskip.compare(young, replace(young, path=Path("other"))))
    assert answer.headline == "Neither network can be judged yet."
    ill = named(stalled, "ill", trial=None)
    answer = answer_of(keraskip.compare(ill, young))
    assert answer.headline == "ill does not learn; undecided: young."
    answer = answer_of(keraskip.compare(ill, replace(ill, path=Path("worse")), young))
    assert answer.headline == "ill, worse do not learn; undecided: young."


def test_two_networks_are_both_or_neither(stalled, learns):
    """Not "All 2 networks", nor "None of 2 networks"."""
    well, other = (named(learns, name, trial=None) for name in ("well", "other"))
    assert answer_of(keraskip.compare(well, other)).headline == "Both networks learn."
    ill, worse = (named(stalled, name, trial=None) for name in ("ill", "worse"))
    assert answer_of(keraskip.compare(ill, worse)).headline == "Neither network learns."


def test_a_card_has_marks_numbers_and_the_first_finding(stalled, learns):
    (ill, well), more = cards_of(keraskip.compare(stalled, learns))
    assert more == []
    assert ill.learning == ("bad", "does not learn")
    assert ill.signal == ("bad", "signal vanishing")
    assert ill.finding.kind == "vanishing"
    assert well.learning == ("good", "learns")
    assert well.signal == ("good", "signal healthy")
    assert well.outcome.startswith("loss 2.3")
    assert well.outcome.endswith("constant guess 2.3")
    assert well.finding is None


def test_a_card_of_several_seeds_names_the_run_of_its_finding(stalled, learns):
    runs = [named(learns, "net_seed0", trial=None), named(stalled, "net_seed1", trial=None)]
    comparison = keraskip.compare(*runs)
    ((card,), _) = cards_of(comparison)
    assert (card.seeds, card.run, card.finding.kind) == (2, "net_seed1", "vanishing")
    assert card.learning.words == "1 of 2 seeds learns"
    assert "<b>net_seed1:</b> The signal" in comparison._repr_html_()
    assert "\nnet_seed1:" in str(comparison)


def test_the_answer_of_one_run_is_not_said_twice(stalled):
    page = keraskip.compare(stalled)._repr_html_()
    first_screen = page[: page.index("<details>")]
    assert first_screen.count("orders of magnitude from the last") == 1
    assert "<b>Change:</b>" in first_screen
    text = as_markdown(keraskip.compare(stalled))
    text = text[: text.index("<details>")]
    assert text.count("orders of magnitude from the last") == 1
    assert "**Change:**" in text


def test_beyond_three_networks_those_that_fail_come_first_with_their_twins(stalled, learns):
    runs = [named(learns, "plain8", **trial("plain", 8)), named(learns, "net8", **trial("net", 8))]
    comparison = keraskip.compare(*runs, stalled, learns)
    shown, _ = cards_of(comparison)
    assert [card.name for card in shown] == ["plain20", "resnet20", "plain8", "net8"]
    shown, _ = cards_of(keraskip.compare(*runs, stalled))
    assert [card.name for card in shown] == ["plain8", "net8", "plain20"]


def test_of_many_networks_those_that_fail_come_first(stalled, learns):
    well = [named(learns, f"well{n}", trial=None) for n in range(12)]
    comparison = keraskip.compare(*well, named(stalled, "ill", trial=None))
    shown, more = cards_of(comparison)
    assert [card.name for card in shown][:2] == ["ill", "well0"]
    assert len(shown) + len(more) == 13
    assert f"{len(more)} more networks" in comparison._repr_html_()


def test_of_many_that_learn_those_with_an_ill_signal_come_first_and_few_are_named(learns):
    heights = 10.0 ** (-8 + 0.4 * np.arange(20)).repeat(2)
    fading = run_of(falling(), info=classifier(), layers=20, grad_norm=heights, grad_max=heights)
    well = [replace(learns, path=Path(f"well{n}"), info=fading.info) for n in range(2)]
    ill = [replace(fading, path=Path(f"fading{n}")) for n in range(6)]
    comparison = keraskip.compare(*well, *ill)
    answer = answer_of(comparison)
    assert answer.headline == "All 8 networks learn."
    assert answer.detail == "Their signals: vanishing in fading0, fading1, fading2 and 3 more."
    shown, _ = cards_of(comparison)
    assert [card.name for card in shown] == [run.path.name for run in (*ill, *well)]


def test_the_terminal_has_answer_table_and_at_most_three_lines_a_cause(stalled, learns):
    comparison = keraskip.compare(named(stalled, "a_name_of_twenty_one", **trial("plain")), learns)
    text = str(comparison)
    assert repr(comparison) == text
    answer, table, *causes = text.split("\n\n")
    assert answer.splitlines() == list(answer_of(comparison))
    assert max(map(len, table.splitlines())) <= 80
    (cause,) = causes
    assert len(cause.splitlines()) <= 3
    assert "Change: " in cause


def test_long_names_stay_in_one_line_of_the_table(stalled, learns):
    names = "resnet110_sigmoid_seed10", "resnet110_sigmoid_seed11"
    runs = [
        named(run, name, trial=None) for run, name in zip((stalled, learns), names, strict=True)
    ]
    short, long = keraskip.compare(stalled, learns).table(), keraskip.compare(*runs).table()
    assert "orders lost [95 %]" in short
    assert "orders ± 95 %" in long
    heads, _, *rows = long.splitlines()
    assert [row.split()[0] for row in rows] == [*names]
    assert max(map(len, [heads, *rows])) <= 80
    attenuation = keraskip.compare(runs[0]).verdicts[0].attenuation
    assert f"{attenuation.value:.1f} ± {attenuation.margin:.1f}" in rows[0]


def test_the_seeds_of_a_network_follow_each_other_in_the_table(stalled, learns):
    order = "a_seed0", "b_seed0", "b_seed1", "a_seed1"
    runs = [named(stalled if name[0] == "a" else learns, name, trial=None) for name in order]
    rows = keraskip.compare(*runs).table().splitlines()[2:]
    assert [row.split()[:3] for row in rows] == [
        ["a_seed0", "vanishing", "no"],
        ["a_seed1", "vanishing", "no"],
        ["b_seed0", "healthy", "yes"],
        ["b_seed1", "healthy", "yes"],
    ]


def test_a_card_has_the_means_of_the_seeds_that_have_an_accuracy(learns):
    epochs = [
        [{"epoch": 0, "steps": 9, "accuracy": each, "val_accuracy": 0.5}] for each in (0.8, 0.9)
    ]
    runs = [named(learns, f"net_seed{n}", epochs=rows) for n, rows in enumerate([*epochs, []])]
    ((card,), _) = cards_of(keraskip.compare(*runs))
    assert card.outcome == "accuracy 0.85, held-out 0.50, chance 0.10"
