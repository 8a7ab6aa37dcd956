"""Studies: which trials, trained once, alike, and told apart from others."""

import numpy as np
import pytest

from keraskip.runs import load_run
from keraskip.study import Trial, check_study, named_study, run_study, vanishing

TINY = Trial("plain8", "plain", {"depth": 8, "normalization": None}, epochs=1, batch_size=256)


def test_vanishing_pairs_each_depth_with_the_nearest_densenet():
    assert [trial.name for trial in vanishing()] == [
        "plain20",
        "resnet20",
        "densenet19",
        "plain56",
        "resnet56",
        "densenet55",
        "plain20_sigmoid",
        "resnet20_sigmoid",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depths": [20, 57]}, r"depth=57 \(nearest: 56, 62\)"),
        ({"depths": []}, "at least one depth"),
        ({"epochs": 0}, "epochs=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        vanishing(**settings)


def test_an_unknown_study_names_the_known_ones():
    with pytest.raises(ValueError, match=r"vanishing.*study='vanish'"):
        named_study("vanish")


def test_trials_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name of its own"):
        check_study([TINY, TINY], tmp_path)


def test_a_finished_trial_is_not_trained_again_and_another_ones_run_not_touched(tmp_path):
    run_study([TINY], tmp_path)
    written = (tmp_path / "plain8" / "run.json").stat().st_mtime_ns
    told = []
    run_study([TINY], tmp_path, progress=lambda *news: told.append(news))
    assert (tmp_path / "plain8" / "run.json").stat().st_mtime_ns == written
    assert told == [(0, TINY, 1)]
    with pytest.raises(ValueError, match="other settings"):
        run_study([Trial("plain8", "plain", {"depth": 14}, epochs=1)], tmp_path)


def test_an_unfinished_trial_is_trained_anew(tmp_path):
    run_study([TINY], tmp_path)
    info = tmp_path / "plain8" / "run.json"
    info.write_text(info.read_text().replace('"finished"', '"running"'))
    run_study([TINY], tmp_path)
    assert load_run(tmp_path / "plain8").info["status"] == "finished"


def test_equal_seeds_give_equal_runs_and_other_seeds_others(tmp_path):
    trials = {name: Trial(name, "plain", TINY.arguments, epochs=1, batch_size=256) for name in "ab"}
    trials["c"] = Trial("c", "plain", TINY.arguments, epochs=1, batch_size=256, seed=1)
    folders = run_study(list(trials.values()), tmp_path)
    first, second, third = (load_run(folder).grad_norm for folder in folders)
    assert np.array_equal(first, second)
    assert not np.allclose(first, third)


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        run_study([TINY], tmp_path / "file" / "out")
