"""Training scripts, recorded as they are."""

import sys
from contextlib import chdir
from types import SimpleNamespace

import keras
import pytest
import training_scripts as scripts

from keraskip import load_run
from keraskip.cli import app
from keraskip.scripts.fits import Fits
from keraskip.scripts.summary import summary

ON_JAX = keras.backend.backend() == "jax"
NO_STEP = "no `fit` came to the first step of its optimizer, so nothing is recorded."


@pytest.fixture
def no_page(monkeypatch):
    """A page takes seconds to draw, and one test looks at it."""
    page = SimpleNamespace(save=lambda path: path)
    monkeypatch.setattr("keraskip.report.comparison.compare", lambda *runs: page)


@pytest.fixture
def record(tmp_path, monkeypatch, capsys):
    """Types `keraskip record OPTIONS train.py ARGUMENTS` within this process."""
    monkeypatch.setattr(sys, "argv", ["keraskip"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    for name in "__main__", "__mp_main__":
        monkeypatch.setitem(sys.modules, name, sys.modules["__main__"])

    def typed(script, *arguments, options=(), head=scripts.HEAD):
        (tmp_path / "train.py").write_text(head + script)
        fit, batches = keras.Model.fit, keras.Model.train_on_batch
        with chdir(tmp_path), pytest.raises(SystemExit) as ended:
            app(["record", *options, "train.py", *arguments])
        assert keras.Model.train_on_batch is batches
        assert keras.Model.fit is fit or not hasattr(fit, "tells_recorder")
        out, err = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code or 0, out=out, err=err.splitlines())

    return typed


def runs_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_a_script_gets_its_arguments_and_its_own_output(record, tmp_path, no_page):
    options = ["--every", "4", "--layers", "kernel", "--out", "other"]
    done = record(scripts.ARGPARSE, "--epochs", "3", "--every", "x", options=options)
    # The record is no part of what the script prints and sees.
    assert done.out.startswith("['train.py', '--epochs', '3', '--every', 'x'] x ['loss'] [")
    assert len(done.out.splitlines()) == 1
    run = load_run(tmp_path / "other" / "train" / "1_mine")
    assert run.steps.tolist() == list(range(0, 12, 4))
    assert {path.rpartition("/")[2] for path in run.weights["path"]} == {"kernel"}
    assert run.info["command"][0] == "train.py"
    assert run.info["status"] == "finished"
    assert (done.code, done.err[-1]) == (0, "other/train/report.html")
    asked = record(scripts.ARGPARSE, "--help")
    assert asked.code == 0
    assert "--every EVERY    of the script" in asked.out


def test_each_fit_has_a_run_and_at_most_six_lines(record, tmp_path, no_page):
    done = record(scripts.TWO_FITS)
    folder = tmp_path / "runs" / "train"
    assert runs_in(folder) == ["1_first_one", "2_second"]
    start = done.err.index("keraskip: 2 runs are recorded in runs/train")
    first, *second, page = done.err[start + 1 :]
    assert first.startswith("1_first_one: it learns (")
    assert second[0].startswith("2_second: ")
    assert 2 <= len(second) <= 6
    assert page == "runs/train/report.html"
    # While it trained, one line for what is wrong with the second.
    (told,) = done.err[:start]
    assert told.startswith("keraskip: Frozen: updates change nothing")
    assert done.out == ""


@pytest.mark.slow
def test_a_training_that_cannot_recover_is_ended_where_asked_for(record, tmp_path, no_page):
    script = 'network("still", rate=0.0).fit(x, y, batch_size=10, epochs=8, verbose=0)'
    record(script, options=["--stop"])
    assert load_run(tmp_path / "runs" / "train" / "1_still").info["status"] == "stopped"


@pytest.mark.slow
def test_a_subclassed_model_with_a_fit_of_its_own(record, tmp_path, no_page):
    done = record(scripts.SUBCLASSED)
    assert done.out.splitlines() == ["epoch 0 ['loss']", "epoch 1 ['loss']", "2"]
    assert len(load_run(tmp_path / "runs" / "train" / "1_mine").epochs) == 2


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs tf.data")
def test_data_of_tensorflow(record, tmp_path, no_page):
    assert record(scripts.TF_DATA).code == 0
    assert len(load_run(tmp_path / "runs" / "train" / "1_mine").steps) == 8


def test_an_exception_is_shown_without_our_frames(record, tmp_path, no_page):
    done = record(scripts.RAISING)
    assert done.code == 1
    assert "RuntimeError: broken on purpose" in done.err
    traced = [line for line in done.err if line.lstrip().startswith("File ")]
    assert sum("train.py" in line for line in traced) > 2
    assert not [line for line in traced if "keraskip/" in line]
    assert load_run(tmp_path / "runs" / "train" / "1_mine").info["status"] == "interrupted"
    assert done.err[-1] == "runs/train/report.html"


def test_the_exit_code_is_the_scripts_and_earlier_runs_stay(record, tmp_path, no_page):
    for _ in range(2):
        done = record(scripts.EXITING)
        assert (done.code, done.err[-1]) == (3, "runs/train/report.html")
    assert runs_in(tmp_path / "runs" / "train") == ["1_mine", "1_mine-2"]


def test_spawned_processes_find_the_script(record):
    body = "    import keras"
    done = record(scripts.SPAWNING.replace("{body}", body), head="")
    assert done.out == "[2, 3]\n"
    assert done.code == 0


def test_a_recorder_of_ones_own_is_left_alone(record, tmp_path, no_page):
    done = record(scripts.OWN_RECORDER)
    assert runs_in(tmp_path / "runs" / "train") == ["2_other"]
    assert len(load_run(tmp_path / "own" / "run").steps) == 2
    assert "keraskip: 'mine' has a recorder of its own, in own/run." in done.err


@pytest.mark.slow
def test_a_model_that_is_fitted_in_a_loop_goes_on_with_its_third_run(record, tmp_path, no_page):
    record(scripts.LOOP)
    folder = tmp_path / "runs" / "train"
    assert runs_in(folder) == ["1_mine", "2_mine", "3_mine"]
    lengths = [len(load_run(path).steps) for path in sorted(folder.glob("*_mine"))]
    assert lengths == [2, 2, 6]
    assert keras.saving.load_model(tmp_path / "mine.keras").count_params() == 49


@pytest.mark.slow
def test_callbacks_come_in_any_form(record, tmp_path, no_page):
    done = record(scripts.CALLBACK_LIST)
    assert done.out == "['History']\n"
    assert runs_in(tmp_path / "runs" / "train") == ["1_mine", "2_mine"]


def test_what_cannot_be_recorded_is_told_and_trains(record, tmp_path):
    done = record(scripts.EXITING, options=["--layers", "no_such_layer"])
    assert done.code == 3
    (line,) = done.err
    assert line.startswith("keraskip: 'mine' is not recorded: ")
    assert "no_such_layer" in line
    assert not (tmp_path / "runs").exists()


def test_a_model_whose_weights_come_with_its_first_step_is_told_and_trains(record, tmp_path):
    """It is known within the step only that `--layers` leaves none of them."""
    done = record(scripts.DEFERRED, options=["--layers", "no_such_layer"])
    assert (done.code, done.out) == (0, "6 ['loss']\n")
    (line,) = done.err
    assert line.startswith("keraskip: 'mine' is not recorded: layers must leave at least one")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("model.trainable = False", "all layers of the model are frozen, so there is no gradient."),
        pytest.param(
            "model.optimizer = None",
            "the model has no optimizer. Compile it with one",
            marks=pytest.mark.skipif(ON_JAX, reason="there Keras itself asks for an optimizer"),
        ),
    ],
)
def test_a_fit_without_a_gradient_says_so(record, tmp_path, change, said):
    done = record(scripts.CARELESS.replace("{change}", change))
    assert done.code == 0
    assert done.err[-1].startswith(f"keraskip: 'mine' is not recorded: {said}")
    assert not (tmp_path / "runs").exists()


def test_of_many_fits_those_are_shown_that_fail(monkeypatch, tmp_path, no_page):
    failing = ["run 3", "run 11"]
    monkeypatch.setattr("keraskip.runs.load_run", lambda path: SimpleNamespace(name=path.name))
    monkeypatch.setattr(
        "keraskip.analysis.words.diagnosis",
        lambda run: ["it fails."] + ["a line"] * 8 if run.name in failing else ["it learns."],
    )
    fits = Fits(tmp_path, 1, None, False, sys.stderr)
    fits.runs = [tmp_path / f"run {number}" for number in range(12)]
    _, *lines, more, _ = summary(fits, failed=False)
    assert more == "2 more fits are on the page."
    assert [name for name in failing if f"{name}: it fails." in lines] == failing
    assert lines.count("a line") == 2 * 5
    assert sum(line.endswith("it learns.") for line in lines) == 8


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "the script called no `fit` of Keras in this process, so nothing is recorded."),
        ("fail", "an exception before it called a `fit` of Keras in this process, so nothing"),
        ('network("mine").fit("nothing")', NO_STEP),
        ('network("mine").fit(z=1)', NO_STEP),
        (scripts.BATCHES, "`train_on_batch` is not recorded: train by `fit`, or record your loop"),
    ],
)
def test_a_script_without_a_record_gets_a_sentence(record, tmp_path, script, said):
    done = record(script)
    assert said in done.err[-1]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["missing.py"], "There is no file missing.py."),
        (["--layers", "(", "train.py"], "--layers must be a regular expression"),
        (["--out", "train.py", "train.py"], "train.py"),
    ],
)
def test_bad_input_is_one_line_before_the_script_runs(tmp_path, capsys, options, message):
    (tmp_path / "train.py").write_text("print('ran')")
    with chdir(tmp_path), pytest.raises(SystemExit) as ended:
        app(["record", *options])
    out, err = capsys.readouterr()
    assert (ended.value.code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


def test_an_exception_with_a_code_is_no_exit(record):
    script = "class Odd(Exception):\n    code = None\n\n\nraise Odd('it failed')"
    done = record(script, head="")
    assert done.code == 1
    assert any("Odd: it failed" in line for line in done.err)
