"""Studies: which trials, trained alike, going on where they stopped, failing alone."""

import os

import keras
import numpy as np
import pytest
from test_data import SHARED

from keraskip import compare
from keraskip.callbacks.hook.fit_capture import FitCapture
from keraskip.data import load_data
from keraskip.runs import load_run
from keraskip.study import (
    STUDIES,
    Trial,
    TrialsFailed,
    check_study,
    named_study,
    recipe_of,
    run_study,
)
from keraskip.study.kept import begin_anew, seed_again
from keraskip.study.recipes import optimizer

SMALL = {"stage_blocks": (1,), "filters": (4,)}
WAY = {"epochs": 2, "batch_size": 256, "augment": ("crop",), "weight_decay": 1e-4}
PLAIN = Trial("plain8", "plain", SMALL, **WAY)
# With randomness of its own.
RESNET = Trial("resnet8", "resnet", {**SMALL, "stochastic_depth_rate": 0.5}, **WAY)


def renamed(trial, name, **changes):
    return Trial(**{**trial.__dict__, "name": name, **changes})


def weights_of(folder):
    return keras.models.load_model(folder / "model.keras").get_weights()


def test_vanishing_pairs_each_depth_with_the_nearest_densenet():
    assert [trial.name for trial in named_study("vanishing", seeds=[0])] == [
        "plain20",
        "resnet20",
        "densenet19",
        "plain56",
        "resnet56",
        "densenet55",
        "plain20_sigmoid",
        "resnet20_sigmoid",
        "mlp20",
        "mlp20_skips",
    ]


def test_vanishing_has_two_seeds_of_each_network():
    names = [trial.name for trial in named_study("vanishing", depths=[8])]
    assert names[:3] == ["plain8_seed0", "plain8_seed1", "resnet8_seed0"]
    assert len(names) == 2 * len(named_study("vanishing", depths=[8], seeds=[0]))


def test_a_trial_with_skips_trains_the_twin_of_the_network_without():
    plain = Trial("plain", "mlp", {"depth": 6, "units": 8})
    twin = renamed(plain, "twin", skips={})
    # Older runs lack the setting, and the same trial goes on with them.
    assert "skips" not in plain.settings
    assert twin.settings["skips"] == {}
    models = [trial.build(load_data(), 10) for trial in (plain, twin)]
    for ours, theirs in zip(*(model.weights for model in models), strict=True):
        assert ours.path == theirs.path
        assert np.array_equal(*map(keras.ops.convert_to_numpy, (ours.value, theirs.value)))
    assert [sum("add" in layer.name for layer in model.layers) for model in models] == [0, 2]


@pytest.mark.parametrize(
    ("study", "depths", "names"),
    [
        ("degradation", [20], "plain20 resnet20"),
        (
            "shortcuts",
            [20],
            "resnet20_A resnet20_constant_scaling resnet20_exclusive_gating "
            "resnet20_shortcut_only_gating resnet20_C resnet20_dropout",
        ),
        ("dense", [40], "densenet40_k12 densenet40_k24 densenet_bc40_k12 resnet38 plain38"),
        ("depth", [20], "plain20 resnet20 preact_resnet20 densenet19"),
    ],
)
def test_studies_of_the_papers(study, depths, names):
    trials = named_study(study, depths=depths)
    assert [trial.name for trial in trials] == names.split()
    *_, last = named_study(study, depths=[8 if depths == [20] else 7])
    assert last.build(load_data(), 10).optimizer.momentum == 0.9


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_has_one_budget_at_its_own_depths(study, tmp_path):
    assert check_study(named_study(study), tmp_path) == set()


def test_published_recipes():
    assert recipe_of("resnet56") | {"warm_up": 1 / 160} == recipe_of("resnet110")
    assert recipe_of("plain110")["epochs"] * (45_000 // 128) == pytest.approx(64_000, rel=2e-3)
    dense = recipe_of("densenet_bc100_k12")
    assert (dense["batch_size"], dense["epochs"], dense["nesterov"]) == (64, 300, True)
    assert recipe_of("resnet50v2")["batch_size"] == 256
    trial = Trial("mine", "resnet20", dataset="cifar10", **recipe_of("resnet20"))
    assert trial.build(load_data(), 100).name == "resnet20"


def test_the_rate_warms_up_and_drops():
    rates = optimizer(0.1, 0.9, False, 0, 160, (0.5, 0.75), 1 / 16)._learning_rate
    found = [float(rates(step)) for step in (0, 10, 11, 80, 81, 121)]
    np.testing.assert_allclose(found, [0.01, 0.01, 0.1, 0.1, 0.01, 0.001], rtol=1e-5)


def test_the_decay_enters_the_momentum():
    made, weight = optimizer(0.1, 0.9, False, 0.01, 1, (), 0), keras.Variable([2.0])
    expected, velocity = 2.0, 0.0
    for _ in range(3):
        made.apply([keras.ops.convert_to_tensor([0.5])], [weight])
        velocity = 0.9 * velocity - 0.1 * (0.5 + 0.01 * expected)
        expected += velocity
    assert keras.ops.convert_to_numpy(weight)[0] == pytest.approx(expected, rel=1e-6)


def test_seeds_and_settings_of_every_trial():
    trials = named_study(
        "degradation",
        depths=[20],
        seeds=[3, 4],
        settings={"epochs": 2, "dataset": "digits", "normalization": "group"},
    )
    names = ["plain20_seed3", "plain20_seed4", "resnet20_seed3", "resnet20_seed4"]
    assert [trial.name for trial in trials] == names
    assert [trial.seed for trial in trials] == [3, 4, 3, 4]
    assert {(trial.epochs, trial.dataset, trial.batch_size) for trial in trials} == {
        (2, "digits", 128)
    }
    assert all(trial.arguments["normalization"] == "group" for trial in trials)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depths": [20, 57]}, r"depth=57 \(nearest: 56, 62\)"),
        ({"depths": []}, "at least one"),
        ({"depths": [20, 20]}, r"\[20, 20\]"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [1, 1]}, r"\[1, 1\]"),
        ({"seeds": [-1]}, "seed=-1"),
        ({"settings": {"epochs": 0}}, "epochs=0"),
        ({"settings": {"epochs": 2.5}}, "epochs=2.5"),
        ({"settings": {"batch_size": 0}}, "batch_size=0"),
        ({"settings": {"learning_rate": "fast"}}, "learning_rate='fast'"),
        ({"settings": {"momentum": 1}}, "momentum=1"),
        ({"settings": {"rate_drops": [0.5, 2]}}, r"rate_drops=\[0.5, 2\]"),
        ({"settings": {"augment": ["rotate"]}}, "augment=.'rotate'"),
        ({"settings": {"rate_drops": 0.5}}, "rate_drops=0.5"),
        ({"settings": {"warm_up": 0.6, "rate_drops": [0.5]}}, "must come after warm_up"),
        ({"settings": {"rate_drops": [0.5, 0.2]}}, r"rising.*\[0.5, 0.2\]"),
        ({"settings": {"augment": None}}, "augment=None"),
        ({"settings": {"image_size": 0}}, "image_size=0"),
        ({"settings": {"nesterov": "no"}}, "nesterov='no'"),
        ({"settings": {"learning_rate": float("inf")}}, "learning_rate=inf"),
        ({"settings": {"seed": 3}}, "seed=3"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        named_study("vanishing", **settings)


def test_an_unknown_study_names_the_known_ones():
    with pytest.raises(ValueError, match=r"degradation.*study='vanish' \(nearest: vanishing"):
        named_study("vanish")


FILE = """
from keraskip.study import Trial


def trials(depths=(8,)):
    return [Trial(f"plain{depth}", "plain", {"depth": depth}) for depth in depths]
"""


def test_a_study_from_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(FILE)
    assert [trial.name for trial in named_study(str(file), depths=[14, 8])] == ["plain8", "plain14"]
    file.write_text(f"{FILE}\ntrials = trials()")
    assert [trial.name for trial in named_study(str(file), seeds=[1, 2])][1] == "plain8_seed2"
    with pytest.raises(ValueError, match="a list of trials"):
        named_study(str(file), depths=[8])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "trials = []",
        "trials = [1]",
        "1 / 0",
        "no Python",
        "exit()",
        "trials = print",
        "def trials(depths): return depths",
    ],
)
def test_a_file_without_trials_is_refused(tmp_path, text):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"mine\.py"):
        named_study(str(file))
    with pytest.raises(OSError, match=r"none\.py"):
        named_study(str(tmp_path / "none.py"))


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ([], "a name of its own"),
        ([PLAIN, PLAIN], "a name of its own"),
        ([PLAIN, renamed(RESNET, "other", epochs=3)], "as many epochs"),
        ([PLAIN, renamed(RESNET, "other", dataset="mnist")], "same data"),
        ([renamed(PLAIN, "code", arguments={**SMALL, "activation": np.tanh})], "JSON"),
        ([renamed(PLAIN, "none", dataset="digitz")], "digitz"),
        ([renamed(PLAIN, "none", network="resnet55")], "nearest: resnet5"),
        ([renamed(PLAIN, "large", batch_size=2000)], "batch_size=2000"),
    ],
)
def test_a_study_that_cannot_be_is_refused_before_training(tmp_path, trials, message):
    if "digitz" in message:
        pytest.importorskip("tensorflow_datasets", reason="this environment has no TensorFlow")
    with pytest.raises(ValueError, match=message):
        run_study(trials, tmp_path, progress=lambda *news: pytest.fail("training began"))


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        run_study([PLAIN], tmp_path / "file" / "out")


def test_a_full_disk_is_refused_before_training(tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            run_study([PLAIN], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study: two networks, and one of them with another seed."""
    out = tmp_path_factory.mktemp("study")
    return out, [PLAIN, RESNET, renamed(RESNET, "resnet8_seed1", seed=1)]


@pytest.fixture(scope="module")
def trained(study):
    """The runs, how many networks got a training step, and TensorFlow's seed behind the last."""
    out, trials = study
    made, make = [], FitCapture._made_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FitCapture, "_made_step", lambda self: made.append(self) or make(self))
        folders = run_study(trials, out)
    seed = None
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        seed, _ = tf.compat.v1.get_seed(1)
    return {run.name: run for run in map(load_run, folders)}, len(set(map(id, made))), seed


@pytest.fixture(scope="module")
def runs(trained):
    return trained[0]


def assert_the_same(one, other):
    """Two runs with the same record and the same weights, bit for bit."""
    assert np.array_equal(one.steps, other.steps)
    assert np.array_equal(one.grad_norm, other.grad_norm)
    assert one.epochs.equals(other.epochs)
    assert one.info["batches"] == other.info["batches"]
    assert one.info["test"] == other.info["test"]
    for first, second in zip(*(weights_of(run.path) for run in (one, other)), strict=True):
        assert np.array_equal(first, second)


def test_a_second_seed_trains_in_the_traced_step(trained):
    assert trained[1] == (2 if keras.backend.backend() == "tensorflow" else 3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow traces")
def test_a_second_seed_leaves_what_tensorflow_has_made_of_the_step(trained):
    """To set TensorFlow's own seed, which no network draws from, would throw that away."""
    assert trained[2] == RESNET.seed == 0


def with_dropout():
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others keep no network")
def test_a_kept_network_with_dropout_is_as_if_made_anew():
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")

    def fitted(model):
        model.fit(x, x[:, :3], batch_size=16, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    keras.utils.set_random_seed(2)
    alone = fitted(with_dropout())
    keras.utils.set_random_seed(1)
    kept = with_dropout()
    first = fitted(kept)
    seed_again(2)
    begin_anew(kept, with_dropout())
    again = fitted(kept)
    assert all(map(np.array_equal, alone, again))
    assert not np.array_equal(first[0], again[0])


@pytest.mark.slow  # the trial that is interrupted below, too, is trained alone
def test_a_second_seed_in_the_traced_step_is_as_if_trained_alone(study, runs, tmp_path):
    *_, trial = study[1]
    (folder,) = run_study([trial], tmp_path)
    assert_the_same(runs[trial.name], load_run(folder))


@pytest.mark.slow
def test_a_second_seed_goes_on_in_the_traced_step(study, runs, tmp_path):
    _, first, second = study[1]

    def interrupt(number, trial, done):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study([second], tmp_path, progress=interrupt)
    *_, folder = run_study([first, second], tmp_path)
    assert [note["epoch"] for note in load_run(folder).info["resumed"]] == [1]
    assert_the_same(runs[second.name], load_run(folder))


def test_all_trials_of_a_study_see_the_same_batches(runs):
    hashes = {name: [note["hash"] for note in run.info["batches"]] for name, run in runs.items()}
    assert hashes["plain8"] == hashes["resnet8"] != hashes["resnet8_seed1"]
    assert len(set(hashes["plain8"])) == 2


def test_a_report_knows_the_families(runs):
    found = compare(*runs.values())
    assert [group.settings["family"] for group in found.groups] == ["plain", "resnet"]


def test_a_network_of_the_zoo_has_its_family_and_arguments():
    trial = Trial("mine", "preact_resnet110", {"shortcut": "B"})
    assert trial.family == "resnet"
    assert trial.builder_arguments | {"depth": 110, "variant": "preact", "shortcut": "B"} == (
        trial.builder_arguments
    )


def test_another_seed_gives_another_run(runs):
    assert not np.allclose(runs["resnet8"].grad_norm, runs["resnet8_seed1"].grad_norm)


def test_the_test_set_is_looked_at_once(runs):
    for run in runs.values():
        (tested,) = run.info["test"]
        assert (tested["epoch"], tested["images"]) == (2, 359)
        assert run.info["budget"] == {"epochs": 2, "steps": 10}
        assert run.info["train_images"] == 1294
    assert all("val_accuracy" in run.epochs for run in runs.values())


def test_what_is_finished_is_not_trained_again_and_another_ones_run_not_touched(study, runs):
    out, trials = study
    written = (out / "plain8" / "run.json").stat().st_mtime_ns
    told = []
    run_study(trials, out, progress=lambda *news: told.append(news))
    assert (out / "plain8" / "run.json").stat().st_mtime_ns == written
    assert told == [(number, trial, 2) for number, trial in enumerate(trials)]
    with pytest.raises(ValueError, match="other settings"):
        run_study([renamed(PLAIN, "plain8", arguments={"depth": 14})], out)


@pytest.mark.parametrize("epochs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_trial_goes_on_to_the_same_end(study, runs, tmp_path, epochs):
    """Stopped after its first epoch, and after its last, before the test.

    It is the second seed, which the study has trained in the traced step of the first.
    """
    *_, trial = study[1]

    def interrupt(number, trial, done):
        if done == epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study([trial], tmp_path, progress=interrupt)
    (folder,) = run_study([trial], tmp_path)
    one, other = runs[trial.name], load_run(folder)
    assert [note["epoch"] for note in other.info["resumed"]] == [epochs]
    assert_the_same(one, other)


def test_a_trial_that_fails_does_not_stop_the_others(study, runs):
    out, trials = study
    # What only the builder refuses.
    bad = renamed(PLAIN, "bad", arguments={**SMALL, "filters": (4, 8)})
    with pytest.raises(TrialsFailed) as failed:
        run_study([bad, *trials], out)
    assert list(failed.value.failures) == ["bad"]
    assert "one width for each stage" in failed.value.failures["bad"]
    assert failed.value.runs == [out / trial.name for trial in trials]


@pytest.mark.slow
def test_a_trial_that_diverges_comes_to_its_end(tmp_path):
    wild = renamed(PLAIN, "nan", learning_rate=1e30, epochs=1)
    with pytest.warns(UserWarning, match="NaN or inf"):
        (folder,) = run_study([wild], tmp_path)
    assert load_run(folder).info["test"][0]["loss"] == "nan"
    assert (folder / "model.keras").is_file()


def test_seeds_of_a_file_are_kept(tmp_path):
    (tmp_path / "mine.py").write_text(f"{FILE}\ntrials = [Trial('a', 'plain', seed=4)]")
    assert named_study(str(tmp_path / "mine.py"))[0].seed == 4


@pytest.mark.slow
def test_the_subset_of_cifar10(tmp_path):
    file = SHARED / "cifar10" / "cifar10_lossless_subset.npz"
    if not file.is_file():
        pytest.skip(f"there is no {file}")
    way = {"epochs": 1, "batch_size": 2048, "filters": [2, 4, 8], "dataset": f"npz:{file}"}
    trials = named_study("degradation", depths=[8], settings=way)
    (run, *_) = map(load_run, run_study(trials[:1], tmp_path))
    assert (run.info["train_images"], run.info["test"][0]["images"]) == (7261, 1017)


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    def start_again(number, trial, done):
        with pytest.raises(TrialsFailed, match=rf"trains in .*: process {os.getpid()} on"):
            run_study([PLAIN], tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study([PLAIN], tmp_path, progress=start_again)
    assert not (tmp_path / "plain8" / ".lock_holder").exists()
