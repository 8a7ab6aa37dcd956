"""What the recorder prints about a training, and which trainings it ends."""

import json
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO

import keras
import numpy as np
import pytest
from keras import layers

from keraskip import GradientRecorder, load_run
from keraskip.analysis.causes import diagnose
from keraskip.analysis.certainty import certain_at_once, first_findings, lost_weights, standstill
from keraskip.analysis.learning import learning_of
from keraskip.callbacks.book.looks import Looks

STEPS, BATCH = 25, 8
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(STEPS * BATCH, 6)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")


def trained(
    folder, *, head="sigmoid", loss="binary_crossentropy", rate=0.5, x=X, epochs=4, **arguments
):
    """A training of two layers; the run, and what Keras' history says."""
    keras.utils.set_random_seed(0)
    outputs = layers.Dense(1, head, name="head")
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, "relu"), outputs])
    model.compile(keras.optimizers.SGD(rate), loss)
    recorder = GradientRecorder(folder, on_nonfinite="ignore", **arguments)
    history = model.fit(x, Y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[recorder])
    return load_run(folder), history


@pytest.fixture(scope="module")
def sound(told):
    """The run of a training that goes well."""
    return told[0]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The same, and what was printed."""
    printed = StringIO()
    with redirect_stdout(printed):
        run, _ = trained(tmp_path_factory.mktemp("telling") / "my run")
    return run, printed.getvalue()


def first_steps(run, count, *, info=None, **scalars):
    """The beginning of a run, with other facts and scalars."""
    cut = {name: values[:count] for name, values in run.scalars.items()}
    return replace(
        run,
        info={**run.info, **(info or {})},
        steps=run.steps[:count],
        statistics={name: values[:count].copy() for name, values in run.statistics.items()},
        scalars=cut | {name: np.full(count, value) for name, value in scalars.items()},
    )


def with_output(**changes):
    return {"outputs": [{"layer": "head", "units": 1, "activation": "sigmoid", **changes}]}


def with_loss(run, loss, **more):
    return {"training": {**run.info["training"], "loss": loss, **more}}


def test_a_training_that_goes_well_prints_its_last_line(told):
    run, printed = told
    (line,) = printed.splitlines()
    assert line.startswith("keraskip: it learns (the loss goes from ")
    assert line.endswith(f" More: keraskip report '{run.path}'")


# Keras, too, warns of this softmax.
@pytest.mark.filterwarnings("ignore:.*softmax over axis -1:UserWarning")
def test_a_fault_is_told_at_once_and_ends_a_training_that_cannot_recover(tmp_path, capsys):
    # On TensorFlow a cross-entropy goes by the logits behind the softmax, and sinks.
    run, history = trained(tmp_path, head="softmax", loss="mse", epochs=16, on_finding="stop")
    first, stops, *end = capsys.readouterr().out.splitlines()
    assert first.startswith("keraskip: head is a softmax over one unit")
    assert '`keras.layers.Dense(1, "sigmoid")`' in first
    assert stops.startswith("keraskip: training stops, as it cannot recover: no update")
    assert end[0].startswith("keraskip: it does not learn (")
    assert end[-1] == f"More: keraskip report {tmp_path}"
    assert len(end) <= 6
    assert len(history.epoch) == len(run.epochs) < 16
    assert run.info["status"] == "stopped"
    assert run.info["stopped"][0]["epoch"] == len(run.epochs) - 1


def test_nan_in_the_weights_is_told_after_the_epoch(tmp_path, capsys):
    broken = X.copy()
    broken[10 * BATCH] = np.nan
    # PyTorch has no crossentropy of NaN.
    run, _ = trained(tmp_path, loss="mse", x=broken, epochs=8, on_finding="stop")
    first, stops, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("keraskip, after epoch 1: The inputs of step ")
    assert "weights are NaN since step " in stops
    assert (len(run.epochs), run.info["status"]) == (1, "stopped")


def test_nothing_is_printed_or_looked_at_without_being_asked(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise AssertionError("looked")

    monkeypatch.setattr("keraskip.callbacks.book.telling.load_run", fail)
    run, _ = trained(tmp_path, rate=0.0, epochs=2, verbose=0)
    assert capsys.readouterr().out == ""
    assert run.info["status"] == "finished"


def test_a_failure_of_the_analysis_is_one_warning_and_training_goes_on(tmp_path, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("no such number")

    monkeypatch.setattr("keraskip.callbacks.book.telling.load_run", fail)
    with pytest.warns(UserWarning, match="goes on: ZeroDivisionError: no such number") as warned:
        run, _ = trained(tmp_path, epochs=2)
    assert sum("goes on" in str(each.message) for each in warned) == 1
    assert (len(run.epochs), run.info["status"]) == (2, "finished")


def test_no_finding_is_certain_in_a_sound_run(sound):
    for count in (0, 1):
        assert certain_at_once(first_steps(sound, count)) == []


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize(
    ("kind", "output", "loss"),
    [
        ("softmax over one unit", {"activation": "softmax"}, "binary_crossentropy"),
        ("too few output units", {}, "categorical_crossentropy"),
        ("logits taken for probabilities", {"activation": "linear"}, "binary_crossentropy"),
    ],
)
def test_an_output_that_does_not_suit_its_loss_needs_no_step(sound, count, kind, output, loss):
    info = {**with_output(**output), **with_loss(sound, loss)}
    found = certain_at_once(first_steps(sound, count, info=info))
    assert [finding.kind for finding in found] == [kind]


def test_an_output_that_may_have_been_bounded_before_is_not_certain(sound):
    info = with_output(activation=None)  # as of `Reshape`
    assert certain_at_once(first_steps(sound, 1, info=info)) == []


def test_logits_that_are_probabilities_are_no_fault_where_keras_finds_the_logits(sound):
    info = with_loss(sound, "binary_crossentropy", from_logits=True)
    for backend, right in {"tensorflow": [], "jax": ["probabilities taken for logits"]}.items():
        found = certain_at_once(first_steps(sound, 1, info={**info, "backend": backend}))
        assert [finding.kind for finding in found] == right


def test_targets_out_of_reach_count_for_a_loss_that_compares(sound):
    labels = {"labels": [{"output": 0, "count": 8, "mean": 3.0, "variance": 1.0}]}
    for loss, right in {"mse": ["targets out of reach"], "my_loss": []}.items():
        info = {**labels, **with_loss(sound, loss)}
        found = certain_at_once(first_steps(sound, 1, info=info))
        assert [finding.kind for finding in found] == right


def test_a_rate_of_0_is_certain_once_it_was_used(sound):
    frozen = {**sound.info["training"]["optimizer"], "learning_rate": 0.0}
    info = with_loss(sound, "binary_crossentropy", optimizer=frozen)
    for rate, right in {0.0: ["learning rate 0"], 0.1: []}.items():
        found = certain_at_once(first_steps(sound, 1, info=info, learning_rate=rate))
        assert [finding.kind for finding in found] == right


def test_large_inputs_are_certain_where_the_first_update_throws_the_weights_away(sound):
    run = first_steps(sound, 1, input_min=0.0, input_max=255.0)
    assert certain_at_once(run) == []
    run.statistics["update_norm"][:] = 2 * run.weight_norm
    assert [finding.kind for finding in certain_at_once(run)] == ["inputs too large"]


def test_units_alike_are_certain_where_they_get_no_gradient(sound):
    (name, _) = dict.fromkeys(sound.weights["layer"])
    run = first_steps(sound, 1, info={"alike": [name]})
    assert certain_at_once(run) == []
    run.statistics["grad_norm"][:, (sound.weights["layer"] == name).to_numpy()] = 0
    assert [finding.kind for finding in certain_at_once(run)] == ["units alike"]


def test_a_standstill_counts_only_in_a_network_that_fails(sound):
    learning = learning_of(sound)
    failing = replace(learning, state="not learning")
    still = first_steps(sound, len(sound.steps))
    still.statistics["update_norm"][len(sound.steps) // 2 :] = 0
    assert standstill(still, learning) == ""  # such as a rate that ends at 0
    assert standstill(still, failing) == "no update has changed any weight since step 50"
    assert standstill(sound, failing) == ""
    assert lost_weights(sound, replace(failing, since=50)) == ""


def test_labels_that_do_not_follow_from_the_inputs_wait_for_the_end(sound):
    run = first_steps(sound, len(sound.steps), info={"epochs": []}, loss=0.7)
    # Updates as of a usual rate.
    run.statistics["update_norm"] *= 0.03
    assert learning_of(run).state == "not learning"
    assert [finding.kind for finding in diagnose(run)] == ["nothing to learn"]
    assert first_findings(run) == []


def test_a_kind_is_certain_after_as_many_epochs_again():
    looks, certain = Looks(), {}
    for epoch, kinds in enumerate([["a"], ["b"], ["b"], ["b", "a"], ["a"], [], ["a"], ["a"]], 1):
        looks.is_due()
        certain[epoch] = looks.stay(kinds)
    assert {epoch: kinds for epoch, kinds in certain.items() if kinds} == {4: {"b"}}


def test_looks_come_after_1_2_4_and_8_epochs(monkeypatch):
    monkeypatch.setattr("keraskip.callbacks.book.looks.SHARE", 0.0)
    looks = Looks()
    assert [epoch for epoch in range(1, 20) if looks.is_due()] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    "arguments", [{"verbose": 3}, {"verbose": "loud"}, {"on_finding": "warn"}], ids=str
)
def test_other_choices_are_refused(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} must be one of .*Received: {name}={value!r}"):
        GradientRecorder("runs/none", **arguments)


def test_the_reason_is_kept_with_the_run(tmp_path):
    trained(tmp_path, rate=0.0, epochs=8, on_finding="stop", verbose=0)
    info = json.loads((tmp_path / "run.json").read_text("utf-8"))
    # An epoch with a rate of 0 may be the beginning of a schedule.
    assert len(info["epochs"]) == 2
    assert "no update has changed any weight" in info["stopped"][0]["reason"]
