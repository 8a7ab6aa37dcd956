"""Findings on runs whose cause is known because the numbers were made for it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from made_runs import (
    GUESS,
    classifier,
    columns,
    falling,
    flat,
    regression,
    run_of,
    with_optimizer,
)

from keraskip.analysis import judge
from keraskip.analysis.causes import CAUSES, LAST_RESORTS, diagnose
from keraskip.analysis.causes.rates import rate_for
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.learning import learning_of

S, LAYERS = 300, 8
STEP = np.arange(S)
NAN_FROM_7 = np.where(STEP[:, None] >= 7, np.nan, np.ones((S, 2 * LAYERS)))


def layered(factors):
    """A statistic [S, 2 * LAYERS] with another value for each layer."""
    return np.tile(np.repeat(factors, 2), (S, 1))


def at(step, value, otherwise=0.0):
    """A scalar that has another value in one step."""
    return np.where(step == STEP, value, otherwise)


def with_policy(policy):
    info = classifier()
    return {**info, "training": {**info["training"], "dtype_policy": policy}}


def alike(*layers):
    return classifier(alike=list(layers))


def with_broken_labels(**changes):
    info = classifier(**changes)
    info["labels"][0]["nonfinite"] = 2
    return info


def recurrent(run):
    run.weights.loc[0, "role"] = "recurrent_kernel"
    return run


def attention(run):
    run.weights.loc[[0, 2, 4], "path"] = ["a/query/kernel", "a/key/kernel", "a/value/kernel"]
    run.statistics["grad_norm"][:, [0, 2]] = 1e-10
    return run


def late_collapse():
    loss = falling(end=0.1)
    loss[200:] = 4.0
    return loss


SILENT = columns(LAYERS, dict.fromkeys(range(4), 0.0))
SILENT[8] = 0.0
DRIFT = np.ones(2 * LAYERS)
DRIFT[5] = 1e3  # the bias of the third layer
FALL = 10.0 ** (-9 + LAYERS * np.linspace(0, 1, LAYERS))
DROP = np.r_[np.full(3, 1e-7), np.full(5, 1e-2)]
SHRINKING = np.exp(-STEP / 40)[:, None]
DIVERGING = {
    "grad_nonfinite": np.where(STEP[:, None] >= 7, 1.0, 0.0),
    "grad_norm": NAN_FROM_7,
    "weight_norm": NAN_FROM_7,
    "update_norm": NAN_FROM_7,
}
AT_ONCE = {
    "grad_nonfinite": 1.0,
    **dict.fromkeys(("grad_norm", "update_norm"), np.nan),
    "weight_norm": np.where(STEP[:, None], np.nan, np.ones(2 * LAYERS)),
}
ACCUMULATING = dict.fromkeys(("update_norm", "frozen"), np.nan)
EVERY_FOURTH = np.where(STEP[:, None] % 4 == 3, 1e-3, np.nan)

AT_CHANCE = [{"epoch": 0, "steps": 100, "accuracy": 0.1}]
# Of the two weights of the output, the kernel's gradient is a constant times the bias's, or not.
SIZES = 10 ** np.random.default_rng(2).normal(-2, 0.1, (S, 1)) * np.ones(2 * LAYERS)
OWN_SIZES = 10 ** np.random.default_rng(2).normal(-2, 0.1, (S, 2 * LAYERS))
SIZES[:, -1] *= 1 + 1e-5 * (STEP % 3)

# The kind, a run that has it, and one that nearly has it: what is right there is another kind.
KNOWN = {
    "inputs not finite": (
        {**DIVERGING, "input_nonfinite": at(6, 3), "info": classifier()},
        {**DIVERGING, "input_nonfinite": 0.0, "info": classifier()},
    ),
    "inputs alike": (
        {"info": classifier(), "input_min": 0.0, "input_max": 0.0},
        {"info": classifier(), "input_min": 0.0, "input_max": 1.0},
    ),
    "targets alike": (
        {"info": regression(None, 3.0, 2e-30), "loss": flat(level=0.5)},
        {"info": regression(None, 0.0, 1e-10), "loss": flat(level=0.5)},
    ),
    "softmax over one unit": (
        {"info": classifier("softmax", "binary_crossentropy", 1)},
        {"info": classifier("sigmoid", "binary_crossentropy", 1)},
    ),
    "too few output units": ({"info": classifier(units=5)}, {"info": classifier(units=12)}),
    "targets out of reach": (
        {"info": regression("sigmoid", 0.5, 1.0), "loss": flat(level=1.0)},
        {"info": regression("sigmoid", 0.5, 0.24), "loss": flat(level=0.24, noise=0.01)},
    ),
    "logits taken for probabilities": (
        {"info": classifier("linear")},
        {"info": classifier("softmax")},
    ),
    "learning rate 0": (
        {"info": classifier(), "learning_rate": 0.0, "frozen": 1.0},
        {"info": classifier(), "learning_rate": 1e-9, "frozen": 1.0},
    ),
    "negative learning rate": (
        {"info": classifier(), "learning_rate": -0.1, "loss": flat(level=4.0)},
        {"info": classifier(), "learning_rate": 0.1, "loss": flat(level=4.0)},
    ),
    "clipping": (
        {"info": classifier(), "clip_factor": 2e-9, "frozen": 1.0},
        {"info": classifier(), "clip_factor": 0.3},
    ),
    "units alike": ({"info": alike("dense", "dense_7")}, {"info": alike("dense_7")}),
    "inputs too large": (
        {"info": classifier(), "input_min": 0.0, "input_max": 255.0},
        {"info": classifier(calls=["rescaling", "dense"]), "input_min": 0.0, "input_max": 255.0},
    ),
    "targets too large": (
        {"info": regression(None, 1e4, 1.0), "loss": flat(level=1e8)},
        {"info": regression(None, 2.0, 1.0), "loss": flat(level=1.0)},
    ),
    "float16 underflow": (
        {"info": with_policy("mixed_float16"), "grad_norm": 1e-9},
        {"info": with_policy("mixed_float16"), "grad_norm": 1e-9, "loss_scale": 1024.0},
    ),
    "loss too small": (
        {"info": classifier(), "epochs": AT_CHANCE, "loss": flat(level=2e-7, noise=1e-9)},
        {"info": classifier(), "epochs": AT_CHANCE, "loss": flat(level=2.0)},
    ),
    "updates too small": (
        {"info": classifier(), "learning_rate": 1e-9, "update_norm": 1e-11, "frozen": 1.0},
        {"info": classifier(), "learning_rate": 1e-9, "update_norm": 1e-5},
    ),
    "overflow in the first step": (
        {**AT_ONCE, "info": classifier()},
        {**DIVERGING, "info": classifier()},
    ),
    "targets not finite": (
        {**DIVERGING, "info": with_broken_labels()},
        {"info": with_broken_labels()},
    ),
    "weights not finite": (
        {**AT_ONCE, "weight_norm": np.nan, "info": classifier()},
        {**DIVERGING, "info": classifier()},
    ),
    "no update": (
        {**ACCUMULATING, "info": classifier()},
        {"update_norm": EVERY_FOURTH, "info": classifier()},
    ),
    "weight decay": (
        {"info": classifier(), "weight_norm": SHRINKING},
        {"info": classifier(), "weight_norm": SHRINKING**0.2},
    ),
    "too much dropout": (
        {"info": classifier(dropout={"dropout": 0.5, "dropout_1": 0.9})},
        {"info": classifier(dropout={"dropout": 0.5, "dropout_1": 0.8})},
    ),
    "late failure": ({"info": classifier(), "loss": late_collapse()}, {"info": classifier()}),
    "exploding": (
        {"info": classifier(), "grad_norm": layered(FALL[::-1])},
        {"info": classifier(), "grad_norm": layered(FALL[::-1] ** 0.1)},
    ),
    "learning rate too high": (
        {"info": with_optimizer(classifier(), learning_rate=10.0), "update_norm": 0.5},
        {"info": with_optimizer(classifier(), learning_rate=0.1), "update_norm": 0.01},
    ),
    "cut off": (
        {"info": classifier(), "cut": True},
        {"info": classifier()},
    ),
    "no gradient": (
        {"info": classifier(), "grad_norm": np.where(STEP[:, None] > 50, 0.0, 1e-2)},
        {"info": classifier(), "grad_norm": np.where(STEP[:, None] % 4 == 0, 0.0, 1e-2)},
    ),
    "dead layer": (
        {"info": classifier(), "grad_norm": np.tile(1e-2 * SILENT, (S, 1)), "weight_norm": DRIFT},
        {"info": classifier(), "grad_norm": 1e-2},
    ),
    "one bad layer": (
        {"info": classifier(), "grad_norm": layered(DROP)},
        {"info": classifier(), "grad_norm": layered(DROP**0.1)},
    ),
    "vanishing": (
        {"info": classifier(), "grad_norm": layered(FALL)},
        {"info": classifier(), "grad_norm": layered(FALL**0.1)},
    ),
    "input lost": (
        {"info": classifier(), "epochs": AT_CHANCE, "grad_norm": SIZES},
        {"info": classifier(), "epochs": AT_CHANCE, "grad_norm": OWN_SIZES},
    ),
    "no softmax with a categorical loss": (
        {"info": classifier("sigmoid")},
        {"info": classifier("softmax")},
    ),
    "too slow": (
        {"info": classifier(), "update_norm": 2e-5, "learning_rate": 2e-3},
        {"info": classifier(), "update_norm": 2e-4, "learning_rate": 1e-3},
    ),
    "weak lower layers": (
        {"info": classifier(), "grad_norm": layered(FALL ** (1 / 6))},
        {"info": classifier(), "grad_norm": layered(FALL**0.05)},
    ),
    "nothing to learn": ({"info": classifier()}, {"info": classifier(), "loss": flat(level=4.0)}),
    "unexplained": ({"info": classifier(), "loss": flat(level=4.0)}, {"info": classifier()}),
}
LOGITS = "probabilities taken for logits"


def findings(case):
    case = {"loss": flat(), "layers": LAYERS, **case}
    is_cut = case.pop("cut", False)
    run = run_of(**case)
    if is_cut:
        for statistic in ("grad_norm", "grad_nonfinite", "update_norm", "frozen"):
            run.statistics[statistic][:, :2] = np.nan
    return diagnose(run)


def kinds(case):
    return [finding.kind for finding in findings(case)]


@cache
def first(kind):
    return findings(KNOWN[kind][0])[0]


@pytest.mark.parametrize("kind", KNOWN)
def test_a_cause_is_found_first(kind):
    assert first(kind).kind == kind


@pytest.mark.parametrize("kind", KNOWN)
def test_what_nearly_has_a_cause_has_it_not(kind):
    assert kind not in kinds(KNOWN[kind][1])


# What a network cannot have that learns.
IMPOSSIBLE = (
    "softmax over one unit",
    "inputs not finite",
    "targets not finite",
    "weights not finite",
    "overflow in the first step",
    "targets alike",
    "targets too large",
)


@pytest.mark.parametrize("kind", [kind for kind in KNOWN if kind not in IMPOSSIBLE])
def test_a_network_that_learns_has_no_finding(kind):
    info = KNOWN[kind][0]["info"]
    scale = GUESS / info["labels"][0].get("variance", GUESS)
    learns = {"loss": falling() / scale, "epochs": [{**AT_CHANCE[0], "accuracy": 0.8}]}
    assert kinds({**KNOWN[kind][0], **learns}) == []


def test_a_loss_that_does_not_use_the_answers():
    case = {**KNOWN["no gradient"][0], "epochs": AT_CHANCE, "layers": LAYERS}
    same = diagnose(run_of(np.full(S, 1.5), **case))[0]
    assert "the loss is 1.5 in every step" in same.remedy
    assert "in every step" not in diagnose(run_of(flat(), **case))[0].remedy


def test_large_targets_of_an_absolute_error():
    info = regression(None, 1e4, 1.0)
    info["training"]["loss"] = "mae"
    found = diagnose(run_of(flat(level=1e4), info=info, layers=LAYERS))[0]
    assert found.kind == "targets too large"
    assert "far to go" in found.sentence


def test_labels_learned_by_heart_are_no_sign_of_haste():
    falls = GUESS + 0.02 * np.linspace(1, -1, S) + np.random.default_rng(0).normal(0, 1e-3, S)
    case = {"info": classifier(), "loss": falls, "learning_rate": 1e-3}
    assert kinds({**case, "update_norm": 9e-4}) == ["nothing to learn"]
    assert kinds({**case, "update_norm": 2e-4})[0] == "too slow"


def test_a_softmax_below_a_loss_of_logits():
    info = classifier()
    info["training"]["from_logits"] = True
    assert kinds({"info": info})[0] == LOGITS


def probed(norms, loss):
    """The weights of a recurrent layer have the name of its cell, too."""
    row = {"epoch": 0, "probe": "time", "layer": "dense", "depth": 1, "value": norms}
    run = recurrent(run_of(loss, info=classifier(probes=[row])))
    run.weights.loc[[0, 1], "layer"] = "dense/simple_rnn_cell"
    return run


def test_a_gradient_that_vanishes_over_time():
    found = diagnose(probed([1e-15, 1e-8, 1.0], flat()))[0]
    assert (found.kind, found.layers) == ("time", ("dense",))
    assert found.evidence["orders"] == pytest.approx(15)
    assert "LSTM" in found.remedy
    assert diagnose(probed([0.1, 0.3, 1.0], flat()))[0].kind == "nothing to learn"
    assert diagnose(probed([1e-15, 1e-8, 1.0], falling())) == []


def test_layers_with_gates_get_a_second_direction_and_then_fewer_steps():
    run = probed([1e-15, 1e-8, 1e-3, 0.5, 1.0], flat())
    run.weights.at[0, "shape"] = [4, 16]
    remedy = diagnose(run)[0].remedy
    assert "keras.layers.Bidirectional" in remedy
    assert "LSTM" not in remedy
    run.weights.loc[[0, 1], "layer"] = "dense/forward_lstm/lstm_cell"
    # The gradient keeps more than 1e-4 of its size in the last three steps.
    assert diagnose(run)[0].remedy.endswith("`x = x[:, -3:]`")


def test_time_that_nobody_looked_at_is_said():
    found = diagnose(recurrent(run_of(flat(), info=classifier())))
    assert [finding.kind for finding in found] == ["time not seen", "nothing to learn"]
    assert diagnose(recurrent(run_of(falling(), info=classifier()))) == []


@pytest.mark.parametrize("kind", ["vanishing", "exploding"])
def test_the_finding_has_the_number_of_the_verdict(kind):
    """The first step differs from the early ones, as an update has changed the layers above."""
    case = KNOWN[kind][0]
    grown = np.where(STEP[:, None] > 0, case["grad_norm"] ** 1.01, case["grad_norm"])
    run = run_of(flat(), layers=LAYERS, info=case["info"], grad_norm=grown)
    verdict = judge(run)
    found = next(finding for finding in diagnose(run, verdict) if finding.kind == kind)
    assert abs(found.evidence["orders"]) == abs(verdict.attenuation.value)
    assert found.evidence["orders"] != abs(verdict.at_start.value)


@pytest.mark.parametrize(("count", "is_named"), [(2930, True), (2950, False)])
def test_broken_labels_are_named_where_every_tenth_step_is_recorded(count, is_named):
    """All of the labels since the break, or far more: then it survived some of them."""
    info = with_broken_labels()
    info["labels"][0]["nonfinite"] = count
    run = run_of(flat(), info=info, layers=LAYERS, **DIVERGING)
    found = diagnose(replace(run, steps=10 * run.steps))
    assert ("targets not finite" in [each.kind for each in found]) == is_named


def test_queries_and_keys_that_starve():
    run = attention(run_of(flat(), info=classifier()))
    found = diagnose(run)[0]
    assert found.kind == "attention collapse"
    assert found.evidence["share"] == pytest.approx(1e-8, rel=1e-3)
    run.statistics["grad_norm"][:, [0, 2]] = 0.0  # a single key
    assert "attention collapse" not in [finding.kind for finding in diagnose(run)]


@pytest.mark.parametrize(("before", "name"), [("", "the attention"), ("net/b0_", "net/b0")])
def test_an_attention_may_be_made_of_dense_layers(before, name):
    run = attention(run_of(flat(), info=classifier()))
    run.weights["path"] = run.weights["path"].str.replace("a/", before)
    found = diagnose(run)[0]
    assert (found.kind, found.layers) == ("attention collapse", (name,))


def test_the_last_attention_alone_may_starve():
    run = attention(run_of(flat(), layers=8, info=classifier()))
    run.weights.loc[[6, 8, 10], "path"] = ["b/query/kernel", "b/key/kernel", "b/value/kernel"]
    found = diagnose(run)[0]
    assert (found.kind, found.layers) == ("attention collapse", ("a",))
    assert found.sentence.startswith("Queries and keys of a get 1e-08 of what its values get")
    run.statistics["grad_norm"][:, [0, 2]] = 1e-5  # few, and not next to nothing
    assert "attention collapse" not in [finding.kind for finding in diagnose(run)]


def test_a_loss_that_is_finite_while_its_derivative_is_not():
    finite = np.where(STEP, np.nan, GUESS)
    case = {**AT_ONCE, "info": classifier(), "layers": LAYERS}
    found = diagnose(run_of(finite, **case))[0]
    assert found.kind == "overflow in the first step"
    assert "the loss is finite, 2.3, so a derivative overflows" in found.sentence
    assert "sqrt(x + 1e-7)" in found.remedy
    assert "he_normal" in diagnose(run_of(np.full(S, np.nan), **case))[0].remedy


def test_weights_of_samples_may_be_to_blame_for_an_overflow():
    info = classifier()
    info["labels"][0]["weighted"] = True
    case = {**AT_ONCE, "info": info, "layers": LAYERS, "input_nonfinite": 0.0}
    run = run_of(np.full(S, np.nan), **case)
    assert "or the weight of a sample is not finite" in diagnose(run)[0].sentence
    assert "or the weight of a sample is not finite" in judge(run).reason


def test_a_loss_of_zero_was_never_lost_and_has_weights_of_zero():
    """Of samples that all have the weight 0: no late failure, and no other initialisation."""
    found = diagnose(run_of(np.zeros(S), info=classifier(labels=[]), grad_norm=0.0))
    assert [finding.kind for finding in found] == ["no gradient"]
    assert "`sample_weight`" in found[0].remedy


def test_a_head_without_a_loss_and_a_layer_never_called_are_no_cut():
    """Without a gradient, as TensorFlow has them; the network fails, but not for them."""
    run = run_of(flat(), info=classifier(), layers=6)
    before = [[], ["dense"], ["dense_1"], ["dense_2"], ["dense_2"], None]
    run.weights["after"] = [names for names in before for _ in range(2)]
    run.weights["last"] = [False] * 6 + [True, True, True, True, None, None]
    for statistic in ("grad_norm", "grad_nonfinite", "update_norm", "frozen"):
        run.statistics[statistic][:, 8:] = np.nan
    assert [finding.kind for finding in diagnose(run)] == ["nothing to learn"]


def test_each_cause_is_tested():
    others = {LOGITS, "time", "time not seen", "attention collapse"}
    assert {*CAUSES, *LAST_RESORTS} == {*KNOWN} | others


def test_the_culprit_is_the_layer_whose_bias_ran_away():
    """Five layers are silent, the third one has a bias a thousand times larger."""
    assert first("dead layer").layers == ("dense_2",)


def test_of_several_layers_that_are_dead_by_themselves_the_first_is_to_blame():
    """With a mended last one the others would still answer 0; a small bias is no reason."""
    dead = np.tile(1e-2 * columns(LAYERS, dict.fromkeys(range(4), 0.0)), (S, 1))
    dead[:, 8] = 0.0
    biased = columns(LAYERS, dict.fromkeys((1, 3), 60.0), kernels=False)
    found = findings({"info": classifier(), "grad_norm": dead, "weight_norm": biased})[0]
    assert found.layers == ("dense_1", "dense_3")
    assert found.sentence.startswith("dense_3 answers 0 to everything since step 0; dense_1 may")
    assert "the layers below only follow" in found.sentence
    assert "dense_1 may be dead by itself, too; the layers below only follow" in found.sentence
    assert found.remedy.startswith("begin dense_1 and dense_3 with other weights: `bias_init")
    (last,) = findings({"info": classifier(), "grad_norm": dead, "weight_norm": biased**0.1})
    assert last.layers == ("dense_3",)


@pytest.mark.parametrize(
    ("count", "positions", "expected"), [(S, 1, True), (2 * S, 1, False), (S, 64, False)]
)
def test_a_batch_of_one_sample_leaves_a_normalisation_nothing(count, positions, expected):
    """Not if it has the positions of a map to normalise over."""
    labels = [{**classifier()["labels"][0], "count": count}]
    seen = [{"epoch": 0, "steps": S, "labels": labels}]
    kinds_of_calls = {"calls": ["dense_3"], "kinds": ["BatchNormalization"]}
    zeros = np.tile(1e-2 * columns(LAYERS, dict.fromkeys(range(4), 0.0)), (S, 1))
    run = run_of(flat(), layers=LAYERS, grad_norm=zeros,
                 info=classifier(labels_after=seen, **kinds_of_calls))  # fmt: skip
    run.weights["positions"] = positions
    sentences = [finding.sentence for finding in diagnose(run)]
    assert any("No gradient passes dense_3" in each for each in sentences) == expected
    assert (judge(run).verdict == "no gradient") == expected


@pytest.mark.parametrize(("front", "optimizers"), [(1e-2, 1), (0.0, 2)])
def test_a_normalisation_by_its_moving_mean_and_larger_batches_are_no_lone_sample(
    front, optimizers
):
    """Of two samples each, where two optimizers have a row for each batch."""
    labels = [{**classifier()["labels"][0], "count": S}]
    more = {"labels_after": [{"epoch": 0, "steps": S, "labels": labels}], "calls": ["dense_3"]}
    more |= {"kinds": ["BatchNormalization"], "optimizers": ["a", "b"][:optimizers]}
    factors = columns(LAYERS, {0: 0.0, 1: 0.0, 2: front, 3: 0.0})
    run = run_of(flat(), layers=LAYERS, grad_norm=1e-2 * factors, info=classifier(**more))
    run.weights["positions"] = 1
    assert not any("No gradient passes" in finding.sentence for finding in diagnose(run))


def test_nan_that_a_relu_turns_into_zeros_is_no_dead_layer():
    dead = {**KNOWN["dead layer"][0], "weight_norm": np.where(STEP[:, None] > 9, np.nan, DRIFT)}
    assert "dead layer" not in kinds(dead)


def in_a_chain(run):
    """The run with the graph of its layers."""
    names = run.weights["layer"].tolist()
    before = [names[max(0, row // 2 * 2 - 1)] for row in range(len(names))]
    after = [[] if row < 2 else [before[row]] for row in range(len(names))]
    last = [name == names[-1] for name in names]
    return replace(run, weights=run.weights.assign(after=after, last=last))


def test_zeros_below_a_layer_that_answers_are_a_way_cut_off():
    """As JAX has them below a `stop_gradient`. A bias that ran away is another matter."""
    case = {"loss": flat(), "layers": LAYERS, "info": classifier()}
    zeros = np.tile(1e-2 * columns(LAYERS, dict.fromkeys(range(3), 0.0)), (S, 1))
    cut = in_a_chain(run_of(**case, grad_norm=zeros))
    assert diagnose(cut)[0].kind == "cut off"
    ran_away = np.tile(columns(LAYERS, {2: 1e4}, kernels=False), (S, 1))
    dead = in_a_chain(run_of(**case, grad_norm=zeros, weight_norm=ran_away))
    assert "cut off" not in [finding.kind for finding in diagnose(dead)]
    assert "dead layer" in [finding.kind for finding in diagnose(dead)]


def test_a_loss_that_is_far_from_any_guess_is_blamed_on_the_targets_though_it_falls():
    loss = 1e10 - 1e6 * STEP**1.5
    info = regression(mean=1e5)
    near = regression(mean=1e5, variance=1e10)
    assert kinds({"info": info, "loss": loss})[0] == "targets too large"
    assert "targets too large" not in kinds({"info": near, "loss": loss})


def test_a_head_that_is_not_trained_and_an_underflow_are_no_dead_layer():
    branch = np.tile(1e-2 * columns(LAYERS, {3: 0.0, 4: 0.0}), (S, 1))
    assert "dead layer" not in kinds({"info": classifier(), "grad_norm": branch})
    underflow = layered([0, 0, 0, 1e-40, 1e-30, 1e-20, 1e-10, 1])
    assert kinds({"info": classifier(), "grad_norm": underflow})[0] == "vanishing"


def test_errors_that_are_all_alike_say_nothing_about_features():
    """While the loss is far above the loss of a constant guess."""
    case = KNOWN["input lost"][0]
    assert kinds(case)[0] == "input lost"
    assert "input lost" not in kinds({**case, "loss": flat(level=2 * GUESS)})


def test_the_output_that_does_not_learn_is_named():
    info = classifier()
    info["outputs"].append({"layer": "number", "units": 1, "activation": "linear"})
    info["labels"].append({"output": 1, "count": 3000, "mean": 0.0, "variance": 1.0})
    info["training"]["loss"] = ["sparse_categorical_crossentropy", "mse"]

    def found(level):
        epochs = [{"epoch": n, "steps": 100, "number_loss": level} for n in range(3)]
        return findings({"info": info, "loss": falling(start=3.3, end=1.4), "epochs": epochs})

    assert found(0.5) == []
    (finding,) = found(1.0)
    assert (finding.kind, finding.layers) == ("nothing to learn", ("number",))
    assert finding.sentence.startswith("Nothing is learned for number: number has a loss of 1,")
    (other,) = found(3.0)
    assert other.sentence.startswith("One of the outputs does not learn (number has a loss of 3,")


def test_the_layer_that_drops_out_most_is_named_with_the_rate_that_was_meant():
    found = first("too much dropout")
    assert found.layers == ("dropout_1",)
    assert found.remedy.endswith("`keras.layers.Dropout(0.1)`")


@pytest.mark.parametrize(
    ("rate", "kinds", "line"),
    [
        (0.9, {"maps": "SpatialDropout2D"}, "keras.layers.SpatialDropout2D(0.1)"),
        (1.0, {"maps": "AlphaDropout"}, "keras.layers.AlphaDropout(0.5)"),
        (0.95, {}, "keras.layers.Dropout(0.05)"),
    ],
)
def test_the_remedy_for_dropout_keeps_the_class_of_the_layer(rate, kinds, line):
    info = classifier(dropout={"maps": rate}, dropout_kinds=kinds)
    assert findings({"info": info})[0].remedy.endswith(f"`{line}`")


@pytest.mark.parametrize(
    "kind", ["learning rate too high", "late failure", "no gradient", "dead layer", "exploding"]
)
def test_of_two_faults_dropout_is_not_the_first(kind):
    case = KNOWN[kind][0]
    both = {**case, "info": {**case["info"], "dropout": {"dropout": 0.9}}}
    assert kinds(both)[0] == kind
    assert "too much dropout" in kinds(both)


@pytest.mark.parametrize("kind", ["learning rate too high", "exploding", "late failure"])
def test_dropout_that_makes_the_signal_grow_comes_before_the_growth(kind):
    """Four layers of 0.95 by a factor of 400; that breaks no training late."""
    case = KNOWN[kind][0]
    rates = {f"dropout_{n}": 0.95 for n in range(4)}
    found = kinds({**case, "info": {**case["info"], "dropout": rates}})
    assert found[0] == ("late failure" if kind == "late failure" else "too much dropout")


def test_a_training_that_breaks_is_not_told_to_drop_less():
    assert "too much dropout" not in kinds({**DIVERGING, "info": classifier(dropout={"d": 0.9})})


@pytest.mark.parametrize(("momentum", "wanted"), [(0.99, 0.99), (0.999, 0.9)])
def test_a_momentum_that_adds_up_a_thousand_steps_does_not_stay(momentum, wanted):
    info = with_optimizer(classifier(), learning_rate=0.1, momentum=momentum)
    found = findings({"info": info, "loss": late_collapse()})[0]
    assert found.remedy.endswith(f"momentum={wanted:g})`")


@pytest.mark.parametrize(("momentum", "rate"), [(0.9, "0.003"), (0.99, "0.003"), (0.999, "0.08")])
def test_a_rate_goes_with_the_momentum_that_is_named_beside_it(momentum, rate):
    """Over 300 steps a momentum of 0.999 adds up 259 of them, one of 0.9 ten."""
    info = with_optimizer(classifier(), learning_rate=1e-3, momentum=momentum)
    evidence = Evidence(run_of(flat(), info=info), None, None)
    assert f"{rate_for(evidence, 1e-3):g}" == rate
    # The first step has only one to add up.
    assert f"{rate_for(evidence, 1e-3, step=0):g}" == "0.003"


def test_a_feature_that_is_never_finite_is_mended_and_no_sample_left_out():
    broken = {**DIVERGING, "info": classifier()}
    every = findings({**broken, "input_nonfinite": 10.0})[0]
    assert every.remedy.endswith("`x = np.nan_to_num(x, posinf=0.0, neginf=0.0)`")
    most = np.where(STEP == 5, 0.0, 10.0)
    some = np.random.default_rng(0).poisson(60, S) + 1.0
    for samples in (most, 3.0, some):  # of ten in a batch
        (found, *_) = findings({**broken, "input_nonfinite": samples})
        assert found.remedy.startswith("leave out the samples that are not finite, with about")


def test_of_several_outputs_the_one_with_large_targets_is_named():
    info = classifier()
    info["outputs"].append({"layer": "price", "units": 1, "activation": "linear"})
    info["labels"].append({"output": 1, "count": 3000, "mean": 1e5, "variance": 1e8})
    info["training"]["loss"] = ["sparse_categorical_crossentropy", "mse"]
    found = findings({"info": info, "loss": flat(level=1e10)})[0]
    assert found.layers == ("price",)
    assert found.remedy.startswith("scale the targets of price: ")


def test_the_layer_that_drops_is_named():
    found = first("one bad layer")
    assert found.layers == ("dense_2",)
    assert found.evidence["orders"] == pytest.approx(5, abs=0.1)


def test_kernels_too_large_explain_an_output_that_is_saturated_at_once():
    """8 inputs: an RMS of 0.5 keeps the size, and one of 2.5 lets it grow 5-fold in each layer."""
    sizes = {"grad_norm": 0.0, "weight_norm": 2.5 * 8.0}
    found = diagnose(run_of(flat(level=14.5), layers=LAYERS, info=classifier(), **sizes))
    assert [finding.kind for finding in found] == ["exploding", "no gradient"]
    assert found[0].evidence["orders"] == pytest.approx(7 * np.log10(5), abs=0.01)
    assert "BatchNormalization" in found[0].remedy
    late = {**sizes, "grad_norm": np.where(STEP[:, None] < 1, 1e-2, 0.0)}
    found = diagnose(run_of(flat(level=14.5), layers=LAYERS, info=classifier(), **late))
    assert [finding.kind for finding in found][:2] == ["exploding", "no gradient"]
    sizes["weight_norm"] = 0.5 * 8.0
    found = diagnose(run_of(flat(level=14.5), layers=LAYERS, info=classifier(), **sizes))
    assert [finding.kind for finding in found] == ["no gradient"]


def test_a_rate_that_rose_too_high_is_taken_back():
    rates, updates = np.where(STEP < 200, 0.1, 30.0), np.where(STEP < 200, 1e-3, 0.3)[:, None]
    changes = {"learning_rate": rates, "update_norm": updates, "info": classifier()}
    found = diagnose(run_of(flat(), layers=LAYERS, **changes))[0]
    assert found.kind == "late failure"
    assert "step 200" in found.sentence
    assert found.remedy.startswith("keep the rate: `optimizer = keras.optimizers.SGD(")
    assert "learning_rate=0.1)" in found.remedy


def test_a_warm_up_that_ends_too_high_gets_the_right_rate():
    """At step 6, updates are 0.21 of the weights, at a rate of 8.4: 20 times what is right."""
    rates, updates = 1.2 * (STEP + 1.0), 0.03 * (STEP[:, None] + 1)
    changes = {"learning_rate": rates, "update_norm": updates, "info": classifier()}
    found = diagnose(run_of(flat(), layers=LAYERS, **changes))[0]
    assert found.kind == "learning rate too high"
    assert "SGD(learning_rate=0.4)" in found.remedy


@pytest.mark.parametrize(
    ("update", "rate"),
    [(5.0, "0.001"), (5e-8, "0.001"), (50.0, "0.0002"), (3e-9, "0.01"), (2e-7, "0.001")],
)
def test_a_rate_of_adam_is_named_by_its_updates(update, rate):
    """About Adam's default, as of updates of 5 of the weights at a rate of 1, is the default.

    It is no harm either where a tenth of it is right for the kernel that moves most.
    """
    used = 1.0 if update > 1 else 1e-8
    info = with_optimizer(classifier(), **{"class": "Adam", "learning_rate": used})
    found = diagnose(run_of(flat(), layers=LAYERS, info=info, update_norm=update))[0]
    assert f"Adam(learning_rate={rate})" in found.remedy


@pytest.mark.parametrize(
    ("update", "momentum", "rate"),
    [(7e-5, 0.0, "0.01"), (7e-5, 0.9, "0.001"), (7e-4, 0.0, "0.001"), (7e-6, 0.0, "0.01")],
)
def test_a_rate_of_sgd_that_was_far_too_low(update, momentum, rate):
    """3e-3 of the weights is right for the kernel that moves most, ten times that is no harm."""
    info = with_optimizer(classifier(), learning_rate=3e-5, momentum=momentum)
    falls = GUESS + 1 - 1e-3 * STEP
    found = diagnose(run_of(falls, layers=LAYERS, info=info, update_norm=update))[0]
    assert found.kind == "too slow"
    assert f"SGD(learning_rate={rate}" in found.remedy


def test_a_slow_loss_gets_the_rate_that_brings_it_to_half_of_a_guess():
    """A loss that fell by 0.04 and has to fall by 1.2: thirty times as fast.

    Where that is a rate that SGD seldom has, Adam makes the updates larger.
    """
    loss = falling(900, start=2.35, end=2.31, noise=1e-4)
    info = with_optimizer(classifier(), learning_rate=0.01)
    found = diagnose(run_of(loss, layers=LAYERS, info=info, update_norm=3e-4))[0]
    assert found.kind == "too slow"
    assert found.evidence["right_rate"] == pytest.approx(0.3, abs=0.1)
    assert "SGD" in found.remedy
    found = diagnose(run_of(loss, layers=LAYERS, info=classifier(), update_norm=3e-4))[0]
    assert found.kind == "too slow"
    assert "Adam(learning_rate=0.001)" in found.remedy


def test_answers_that_are_wrong_where_the_loss_says_they_are_right():
    """All outputs below 0: their normalised sizes fall where the right class is the lowest."""
    case = {"loss": falling(), "info": classifier("linear")}
    assert kinds({**case, "epochs": [{**AT_CHANCE[0], "accuracy": 0.0}]})[0] == (
        "logits taken for probabilities"
    )
    assert kinds({**case, "epochs": [{**AT_CHANCE[0], "accuracy": 0.5}]}) == []


def test_logits_are_named_where_the_accuracy_rises_and_the_loss_does_not_fall():
    """Some answers come right by chance, and the loss stays at three times that of a guess."""
    epochs = [{**AT_CHANCE[0], "accuracy": 0.3}]
    case = {"loss": flat(level=7.0), "info": classifier("linear"), "epochs": epochs}
    assert kinds(case) == ["logits taken for probabilities"]
    assert kinds({**case, "info": classifier("softmax")}) == []
    assert kinds({**case, "loss": falling(start=7.0, end=3.0)}) == []


def test_units_alike_that_get_no_gradient_need_no_loss():
    """As in the generator of a GAN; where one layer gets a gradient, its units may part."""
    case = {"loss": None, "info": alike("dense_1", "dense")}
    silent = columns(LAYERS, {0: 0.0, 1: 0.0})
    run = run_of(layers=LAYERS, info=case["info"], grad_norm=np.tile(1e-2 * silent, (S, 1)))
    assert diagnose(run)[0].kind == "units alike"
    assert diagnose(run)[0].layers == ("dense", "dense_1")
    assert kinds(case) == ["units alike"]
    assert kinds({**case, "info": alike("dense")}) == []
    assert kinds({**case, "info": alike("dense", "dense_2")}) == []
    zeros = np.tile(columns(LAYERS, {0: 0.0, 1: 0.0}), (S, 1))
    assert kinds({**case, "weight_norm": zeros}) == []
    assert kinds({**case, "info": {**case["info"], "kinds": ["Dense", "Dropout"]}}) == []


def test_a_penalty_that_is_nearly_all_of_the_loss():
    weights = np.exp(-STEP / 200)[:, None]
    squares = (LAYERS * weights**2)[:, 0]
    case = {"info": classifier(), "weight_norm": weights, "layers": LAYERS, "epochs": AT_CHANCE}
    found = diagnose(run_of(0.1 + 5 * squares, **case))[0]
    assert found.kind == "weight decay"
    assert found.evidence["penalty"] == pytest.approx(5, rel=0.01)
    assert "L2(1e-5)" in found.remedy
    # Lifted by a penalty, a loss may be that of a network that learns. The gradients tell.
    alone = {**case, "epochs": [], "grad_norm": 2 * 5 * weights}
    assert diagnose(run_of(0.1 + 5 * squares, **alone))[0].kind == "weight decay"
    assert diagnose(run_of(0.1 + 5 * squares, **{**alone, "grad_norm": weights})) == []
    training = {**classifier()["training"], "penalised": False}
    unpenalised = {**alone, "info": {**classifier(), "training": training}}
    assert diagnose(run_of(0.1 + 5 * squares, **unpenalised)) == []
    adam = {"class": "AdamW", "weight_decay": 0.004, "learning_rate": 1e-3}
    of_both = {**case, "info": with_optimizer(classifier(), **adam)}
    assert "L2(1e-5)" in diagnose(run_of(0.1 + 5 * squares, **of_both))[0].remedy
    assert diagnose(run_of(np.full(S, 2.5), **case))
    flat_loss = diagnose(run_of(flat(level=3.0), **case))
    assert "weight decay" not in [finding.kind for finding in flat_loss]


@pytest.mark.parametrize(("decay", "remedy"), [(0.004, "L2(1e-5)"), (3.0, "weight_decay=0.0001")])
def test_of_a_decay_and_a_penalty_the_stronger_one_is_blamed(decay, remedy):
    info = classifier()
    info["training"]["penalised"] = True
    adam = {"class": "AdamW", "weight_decay": decay}
    case = {"info": with_optimizer(info, **adam), "weight_norm": SHRINKING}
    assert remedy in findings(case)[0].remedy


def test_a_decay_that_takes_a_part_of_the_weights_in_each_step():
    """The optimizer's own updates hold them up, so they do not shrink to a tenth."""
    for decay, expected in ((3.0, "weight decay"), (0.3, "nothing to learn")):
        info = with_optimizer(classifier(), **{"class": "AdamW", "weight_decay": decay})
        found = diagnose(run_of(flat(), layers=LAYERS, info=info))[0]
        assert found.kind == expected
    info = with_optimizer(classifier(), **{"class": "AdamW", "weight_decay": 3.0})
    found = diagnose(run_of(flat(), layers=LAYERS, info=info))[0]
    assert "30% of the weights" in found.sentence
    assert "weight_decay=0.0001" in found.remedy


def test_a_layer_that_gets_zeros_is_not_dead():
    """Behind a base that does not train and answers 0: all is silent but the output's bias."""
    silent = columns(LAYERS, dict.fromkeys(range(LAYERS - 1), 0.0))
    silent[-2] = 0.0
    start = columns(LAYERS, dict.fromkeys(range(LAYERS), 0.0), kernels=False)
    case = {"grad_norm": np.tile(1e-2 * silent, (S, 1)), "weight_norm": np.tile(4 * start, (S, 1))}
    base = classifier(untrained=[{"layer": "base", "weights": 2, "reason": "frozen"}])
    found = diagnose(run_of(flat(), layers=LAYERS, info=base, **case))
    assert [finding.kind for finding in found] == ["nothing to learn"]
    assert "dense gets zeros for every sample" in found[0].sentence
    assert kinds({"info": classifier(), **case})[0] == "dead layer"
    assert kinds({"info": base, **case, "weight_norm": DRIFT})[0] == "dead layer"


def test_dead_layers_that_begin_with_the_same_bias_get_the_same_remedy():
    dead = np.tile(1e-2 * columns(LAYERS, dict.fromkeys(range(4), 0.0)), (S, 1))
    begun = np.tile(columns(LAYERS, {2: 3.0, 3: 3.0, 4: 3.0}, kernels=False), (S, 1))
    found = findings({"info": classifier(), "grad_norm": dead, "weight_norm": begun})[0]
    assert found.remedy.startswith("begin dense_2 and dense_3 with other weights")


def base_of(*names):
    """Two layers that train, behind layers that do not."""
    frozen = [{"layer": name, "weights": 2, "reason": "frozen"} for name in names]
    run = run_of(flat(), layers=2, info=classifier(untrained=frozen))
    return replace(run, weights=run.weights.assign(depth=run.weights["depth"] + len(names)))


@pytest.mark.parametrize(("features", "expected"), [(1e-6, True), (1e-2, False)])
def test_a_base_that_answers_next_to_zero(features, expected):
    """No rate helps a kernel whose inputs are 1e-6."""
    run = base_of("conv_2", "conv_1", "conv")
    small = {"grad_norm": run.grad_norm * [features, 1, 1, 1]}
    small["update_norm"] = run.update_norm * [1e-9, 1, 1e-9, 1]
    run = replace(run, statistics={**run.statistics, **small})
    found = diagnose(run)[0]
    assert (found.kind == "nothing to learn") == expected
    assert ("dense gets numbers near 0 for every sample" in found.sentence) == expected
    assert ("conv, conv_1 and conv_2 do not train" in found.remedy) == expected
    run = replace(run, info=classifier(epochs=[]))
    assert diagnose(run)[0].kind == "updates too small"


def test_layers_that_do_not_train_are_named_where_nothing_is_learned():
    found = diagnose(base_of("conv_1", "conv"))[0]
    assert found.kind == "nothing to learn"
    assert "or the layers that do not train: conv and conv_1; load their weights" in found.remedy
    many = diagnose(base_of(*(f"conv_{n}" for n in range(9, -1, -1))))[0]
    assert "10 layers from conv_0 to conv_9" in many.remedy
    assert "do not train" not in diagnose(base_of())[0].remedy


def test_answers_that_are_no_probabilities_where_the_loss_falls_and_stays_high():
    """A ReLU at the output, and a loss that might be lifted by a penalty."""
    loss = falling(start=9.0, end=3.0)
    kinds_of = {last: [f.kind for f in diagnose(run_of(loss, info=classifier(last)))]
                for last in ("relu", "softmax")}  # fmt: skip
    assert learning_of(run_of(loss, info=classifier())).state == "unknown"
    assert kinds_of == {"relu": ["logits taken for probabilities"], "softmax": []}


def test_a_small_loss_with_a_rate_made_for_it():
    """1e-7 of the loss, and updates of 1e-7 of the weights: as large as these without the factor.

    Adam's do not grow with the loss.
    """
    case = {"epochs": AT_CHANCE, "update_norm": 1e-7, "layers": LAYERS}
    loss = flat(level=2e-7, noise=1e-9)
    found = diagnose(run_of(loss, info=classifier(), **case))[0]
    assert found.kind == "loss too small"
    assert "lower the rate: `optimizer = keras.optimizers.SGD(" in found.remedy
    adam = with_optimizer(classifier(), **{"class": "Adam"})
    assert "lower the rate" not in diagnose(run_of(loss, info=adam, **case))[0].remedy


def test_a_way_that_leads_through_sigmoids_needs_more_than_to_be_opened():
    for count, is_more in ((6, True), (3, False)):
        calls = [f"dense_{number}" for number in range(count)]
        info = classifier(calls=[*calls, calls[0]], activations=["sigmoid"] * (count + 1))
        run = run_of(flat(), layers=LAYERS, info=info)
        for statistic in ("grad_norm", "grad_nonfinite", "update_norm", "frozen"):
            run.statistics[statistic][:, :2] = np.nan
        found = diagnose(run)[0]
        assert found.kind == "cut off"
        assert ("BatchNormalization" in found.remedy) == is_more


def test_a_cut_comes_before_the_rate_and_after_what_had_been_learned():
    case = {"cut": True, "info": with_optimizer(classifier(), learning_rate=10.0)}
    assert kinds({**case, "update_norm": 0.5})[0] == "cut off"
    assert "cut off" not in kinds({**case, "loss": late_collapse()})


def test_time_and_attention_are_blamed_where_many_steps_leave_it_open():
    """A loss that ends at the limit, 5 % below that of a guess."""
    open_end = falling(start=2.6, end=0.95 * GUESS + 0.02, noise=0.2)
    assert diagnose(probed([1e-15, 1e-8, 1.0], open_end))[0].kind == "time"
    assert diagnose(probed([0.1, 0.3, 1.0], open_end)) == []
    starving = attention(run_of(open_end, info=classifier()))
    assert [finding.kind for finding in diagnose(starving)] == ["attention collapse"]


def test_what_holds_before_the_first_update_comes_first():
    """The signal vanishes in step 0, and a rate that is too high comes on top of it."""
    info = with_optimizer(classifier(), learning_rate=10.0)
    changes = {"info": info, "update_norm": 0.5, "layers": LAYERS}
    found = [f.kind for f in diagnose(run_of(flat(), grad_norm=layered(FALL), **changes))]
    assert found[:2] == ["vanishing", "learning rate too high"]
    later = np.where(STEP[:, None] < 20, 1e-2, layered(FALL))
    found = [f.kind for f in diagnose(run_of(flat(), grad_norm=later, **changes))]
    assert found[:2] == ["learning rate too high", "vanishing"]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(0.1, ["vanishing", "updates too small"]), (1e-8, ["updates too small", "vanishing"])],
)
def test_updates_too_small_at_a_usual_rate_follow_from_a_signal_that_vanishes(rate, expected):
    """The signal of the first step does not tell, as of samples whose contributions cancel."""
    later = np.where(STEP[:, None] < 1, 1e-2, layered(FALL))
    changes = {"grad_norm": later, "update_norm": 1e-11, "frozen": 1.0, "learning_rate": rate}
    info = with_optimizer(classifier(), learning_rate=rate)
    assert kinds({**changes, "info": info})[:2] == expected


def test_a_network_that_is_mended_gets_a_usual_rate():
    unusual = with_optimizer(classifier(), learning_rate=1e-5)
    for info, said in ((unusual, "SGD(learning_rate=0.1)"), (classifier(), "in it")):
        found = diagnose(run_of(flat(), layers=LAYERS, info=info, grad_norm=layered(FALL)))[0]
        assert said in found.remedy.split("and")[-1]
    found = diagnose(
        run_of(flat(level=1.0), layers=LAYERS, info=regression(), grad_norm=layered(FALL))
    )
    assert "Adam(learning_rate=0.001)" in found[0].remedy.split("and")[-1]


def test_a_loss_that_falls_from_epoch_to_epoch_is_too_slow_in_spite_of_its_scatter():
    epochs = [{"epoch": n, "steps": 75 * n + 75, "loss": 2.3 - 0.01 * n} for n in range(4)]
    case = {"info": classifier(), "update_norm": 3e-4, "learning_rate": 1e-3}
    assert kinds({**case, "epochs": epochs}) == ["too slow"]
    epochs[2]["loss"] = 2.4
    assert kinds({**case, "epochs": epochs}) == ["nothing to learn"]


def test_large_inputs_before_large_kernels_name_both():
    """8 inputs: an RMS of 0.5 keeps the size."""
    case = {"info": classifier(), "layers": LAYERS, "input_min": 0.0, "input_max": 255.0}
    found = diagnose(run_of(flat(), weight_norm=2.5 * 8.0, **case))[0]
    assert "x / 255" in found.remedy
    assert "he_normal" in found.remedy
    assert "5 times as large" in found.remedy
    assert "he_normal" not in diagnose(run_of(flat(), weight_norm=0.7 * 8.0, **case))[0].remedy


def test_without_a_loss_only_updates_above_the_weights_are_too_high():
    info = with_optimizer(classifier(), learning_rate=10.0)
    assert kinds({"loss": None, "info": info, "update_norm": 2.0}) == ["learning rate too high"]
    assert kinds({"loss": None, "info": info, "update_norm": 0.5}) == []


def test_positions_that_share_a_kernel_keep_one_scale():
    run = run_of(flat(), info=classifier(), input_min=-1e4, input_max=1e4)
    assert "x.mean(axis=0)" in diagnose(run)[0].remedy
    run.weights.at[0, "shape"] = [3, 3, 1, 8]
    assert "`x = (x - x.mean()) / x.std()`" in diagnose(run)[0].remedy


def test_no_gradient_is_named_with_its_step():
    assert first("no gradient").steps == (51, S - 1)


def test_a_remedy_has_its_number():
    """0.5 at a rate of 10 are 50 times what is right at first, and 2e-5 at 2e-3 a 150th of it."""
    assert "SGD(learning_rate=0.2)" in first("learning rate too high").remedy
    assert "SGD(learning_rate=0.3)" in first("too slow").remedy
    assert "global_clipnorm=0.04" in first("clipping").remedy
    assert "x / 255" in first("inputs too large").remedy


def test_late_failure_has_its_step_and_what_the_rate_did():
    assert first("late failure").steps[0] == pytest.approx(200, abs=12)
    rates = np.where(STEP < 200, 0.1, 30.0)
    found = diagnose(run_of(late_collapse(), info=classifier(), learning_rate=rates))[0]
    assert "the learning rate rose from 0.1 to 30" in found.sentence
    assert "SGD(learning_rate=0.1)" in found.remedy


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_run_of_few_steps_has_no_finding(steps):
    assert diagnose(run_of(flat(steps), info=classifier())) == []


def test_a_run_recorded_without_losses_and_settings_is_diagnosed():
    epochs = [{"epoch": n, "steps": 100 * (n + 1), "loss": 2.3} for n in range(3)]
    run = run_of(None, layers=LAYERS, grad_norm=layered(FALL), epochs=epochs)
    for name in ("loss_scale", "clip_factor"):
        del run.scalars[name]
    assert [finding.kind for finding in diagnose(run)] == ["vanishing"]


def test_a_finding_has_words_a_remedy_and_a_source():
    for finding in map(first, KNOWN):
        assert finding.sentence.endswith(".")
        assert finding.remedy
        assert finding.source
        assert all(np.isfinite(value) or np.isnan(value) for value in finding.evidence.values())


def with_head(kind, name="dense_3", kernel=None, **outputs):
    """A run whose output is a layer of another class, such as a convolution."""
    info = binary_head(**outputs)
    calls = ["dense", "before", name]
    info["outputs"][0]["layer"] = name
    info |= {"calls": calls, "kinds": ["Dense", "Dense", kind]}
    info |= {"activations": ["relu", "sigmoid", outputs.get("activation", "softmax")]}
    run = run_of(flat(), info=info, epochs=AT_CHANCE)
    if kernel:
        run.weights.at[6, "shape"] = kernel
    return run


def binary_head(activation="softmax"):
    labels = [{"output": 0, "count": 3000, "mean": 0.5, "variance": 0.25}]
    return classifier(activation, "binary_crossentropy", 1, labels=labels)


@pytest.mark.parametrize(
    ("kind", "kernel", "line"),
    [
        ("Dense", None, '`keras.layers.Dense(1, "sigmoid")`'),
        ("Conv2D", [1, 1, 8, 1], '`keras.layers.Conv2D(1, 1, activation="sigmoid")`'),
        ("Conv2D", [3, 3, 8, 1], 'the `keras.layers.Conv2D` that is there, given `filters=1, '),
        ("Activation", None, '`keras.layers.Activation("sigmoid")` in place of the layer dense_3'),
    ],
)  # fmt: skip
def test_a_remedy_names_the_class_of_layer_that_is_the_output(kind, kernel, line):
    """A U-Net ends in a convolution."""
    (first, *_) = diagnose(with_head(kind, kernel=kernel))
    assert first.kind == "softmax over one unit"
    assert first.remedy.startswith(line)


def test_units_are_made_by_the_layer_in_front_of_an_activation():
    run = with_head("Softmax", "softmax")
    run.info["outputs"][0]["units"] = 2
    run.info["training"]["loss"] = "sparse_categorical_crossentropy"
    run.info["labels"] = [{"output": 0, "count": 3000, "shares": [0.3, 0.3, 0.4]}]
    (first, *_) = diagnose(run)
    assert first.kind == "too few output units"
    assert first.remedy.startswith(
        '`3` units in the layer before it, and `keras.layers.Activation("softmax")` in place of'
    )


def test_an_output_that_is_only_another_shape_has_the_activation_before_it():
    """A sigmoid, and `Reshape`: these are probabilities, and no logits."""
    run = with_head("Reshape", "reshape", activation=None)
    assert "logits taken for probabilities" not in [each.kind for each in diagnose(run)]
    bare = with_head("Multiply", "multiply", activation=None)
    assert "logits taken for probabilities" in [each.kind for each in diagnose(bare)]


def test_a_softmax_behind_a_softmax_is_named():
    run = with_head("Softmax", "softmax")
    run.info["outputs"][0]["units"] = 2
    (found,) = (each for each in diagnose(run) if each.kind == "probabilities taken for logits")
    assert found.sentence == "The output has two activations: sigmoid, and softmax of softmax."
    one = 'leave one of the two out: `keras.layers.Activation("linear")` in place of the layer'
    assert found.remedy.startswith(one)
    run.info["activations"][1] = "linear"
    assert "probabilities taken for logits" not in [each.kind for each in diagnose(run)]


def test_a_kernel_between_two_activations_is_no_fault():
    """Hidden layers of sigmoids in front of a softmax."""
    run = with_head("Dense")
    run.info["outputs"][0]["units"] = 2
    assert "probabilities taken for logits" not in [each.kind for each in diagnose(run)]


def test_of_several_outputs_the_call_before_may_belong_to_another():
    """Two pairs of a layer and a softmax: the graph has both layers first."""
    run = with_head("Softmax", "softmax")
    run.info["outputs"][0]["units"] = 2
    run.info["outputs"] *= 2
    assert "probabilities taken for logits" not in [each.kind for each in diagnose(run)]
    run = with_head("Reshape", "reshape", activation=None)
    run.info["outputs"] *= 2
    assert "logits taken for probabilities" not in [each.kind for each in diagnose(run)]


def test_a_layer_that_is_called_again_makes_the_output_by_its_last_call():
    run = with_head("Softmax", "softmax")
    run.info["outputs"][0]["units"] = 2
    for key in ("calls", "kinds", "activations"):
        first, before, last = run.info[key]
        run.info[key] = [first, last, before, last]
    assert "probabilities taken for logits" in [each.kind for each in diagnose(run)]


def test_labels_that_are_no_probabilities_are_a_fault_of_any_crossentropy():
    """Labels of -1 and 1: the loss falls below 0, without an end."""
    labels = [{"output": 0, "count": 3000, "mean": 0.0, "variance": 1.0}]
    info = classifier("sigmoid", "binary_crossentropy", 1, labels=labels)
    run = run_of(falling(start=0.4, end=-1.0), info=info)
    assert [each.kind for each in diagnose(run)] == ["targets out of reach"]
    assert "labels between 0 and 1" in diagnose(run)[0].remedy


@pytest.mark.parametrize(
    ("mean", "activation", "low", "high", "expected"),
    [
        (77.5, "sigmoid", 0.0, 255.0, "both to between 0 and 1: `x = x / 255`"),
        (77.5, "tanh", 0.0, 255.0, "both to between -1 and 1: `x = 2 * x / 255 - 1`"),
        (77.5, "sigmoid", -3.0, 300.0, "`x = (x - x.min()) / (x.max() - x.min())`"),
        (60.0, "sigmoid", 0.0, 255.0, "an output without activation, `keras.layers.Dense(64)`"),
    ],
)
def test_targets_that_are_the_inputs_are_scaled_with_them(mean, activation, low, high, expected):
    """An autoencoder of raw pixels: to scale its targets alone would leave the inputs."""
    info = regression(activation, mean=78.0, variance=4770.0)
    info["outputs"][0]["units"] = 64
    seen = {"input_mean": mean, "input_min": low, "input_max": high}
    seen = {name: np.full(300, value) for name, value in seen.items()}
    found = diagnose(run_of(flat(level=15_000.0), info=info, **seen))[0]
    assert found.kind == "targets out of reach"
    assert expected in found.remedy


def test_a_range_without_an_upper_end_is_told_by_its_lower_one():
    info = regression("relu", mean=-4.6, variance=2.4)
    found = diagnose(run_of(flat(level=23.0), info=info))[0]
    assert "answers above 0 (relu), and the targets lie outside: mean -4.6" in found.sentence


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (np.where(STEP < 20, 0.001, 0.0), "the learning rate fell from 0.001 to 0."),
        (np.zeros(S), "the learning rate is 0."),
    ],
)
def test_a_rate_that_fell_to_zero_is_told_from_one_that_was_zero(rates, said):
    frozen = np.where(rates > 0, 0.0, 1.0)[:, None]
    run = run_of(flat(), info=classifier(), learning_rate=rates, frozen=frozen)
    (found,) = diagnose(run)
    assert found.sentence.endswith(said)


def test_large_inputs_are_named_where_the_loss_leaves_it_open():
    loss = falling(start=2.4, end=2.15, noise=0.3)
    run = run_of(loss, info=classifier(), input_min=np.zeros(S), input_max=np.full(S, 255.0))
    assert learning_of(run).state == "unknown"
    assert [found.kind for found in diagnose(run)] == ["inputs too large"]


def test_weights_that_are_gone_have_no_fold():
    norms = np.where(STEP < 100, 1.0, 0.0)[:, None]
    info = with_optimizer(classifier(), weight_decay=5.0)
    found = diagnose(run_of(flat(), info=info, weight_norm=norms))[0]
    assert found.sentence.startswith("The weights shrank to less than a millionth, and")
