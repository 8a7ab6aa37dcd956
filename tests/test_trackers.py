"""What Weights & Biases and MLflow themselves keep of a record, and trackers made by a user."""

import json
from functools import partial
from importlib.machinery import PathFinder
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers
from quiet import GradientRecorder
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from keraskip import load_run
from keraskip.callbacks.book.trackers import Trackers, made_trackers
from keraskip.callbacks.columns import FURTHER, OF_BATCH, OF_UPDATE, STATISTICS, Rows, columns_of

pytestmark = pytest.mark.filterwarnings(
    # MLflow 3.17 asks SQLAlchemy 2.1 for a way of loading that this deprecates.
    "ignore:The ``noload`` loader strategy is deprecated",
)
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(24, 5)).astype("float32")
LABELS = RANDOM.normal(size=(24, 2)).astype("float32")
STEPS, EPOCHS = 12, 3
COLUMNS = columns_of([*STATISTICS, *FURTHER])
WEIGHTS = [{"path": path, "size": 20, "shape": [4, 5]} for path in ("first/kernel", "last (1)/b")]


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory):
    """Both libraries keep to a folder of this machine and tell nobody of their use.

    They are imported here, as pytest's other process has no test that needs them.
    """
    global mlflow, wandb
    import mlflow
    import wandb

    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_DIR", str(folder))
        for name, value in {"MODE": "offline", "SILENT": "true", "CONSOLE": "off"}.items():
            patch.setenv(f"WANDB_{name}", value)
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        # Seconds to wait for its own process; only one that is broken takes as long.
        for name in "_SERVICE_WAIT", "INIT_TIMEOUT":
            patch.setenv(f"WANDB_{name}", "600")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        artifacts = (folder / "artifacts").as_uri()
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("test", artifacts))
        yield folder
        wandb.teardown()


class Memory:
    """A tracker of a user."""

    def __init__(self):
        self.calls, self.logs = [], []

    def open(self, folder, resume_from):
        assert json.loads((folder / "run.json").read_text("utf-8"))["status"] == "running"
        self.calls.append(("open", folder.name, resume_from))

    def add(self, logs):
        self.logs += logs

    def close(self, status):
        self.calls.append(("close", status))


class Failing:
    """A tracker that fails in one of its methods."""

    def __init__(self, method):
        self._method = method
        self.calls = []

    def _call(self, method):
        self.calls.append(method)
        if method == self._method:
            raise RuntimeError("the server is gone")

    def open(self, folder, resume_from):
        self._call("open")

    def add(self, logs):
        self._call("add")

    def close(self, status):
        self._call("close")


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == STEPS + 7:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training that breaks off in its second epoch, and another process' that goes on with it."""
    folder, memory, failing = tmp_path_factory.mktemp("own") / "run", Memory(), Failing("add")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((5,)), layers.Dense(7, "tanh"), layers.Dense(2)])
    model.compile("sgd", "mse")
    backup = keras.callbacks.BackupAndRestore(folder.parent / "backup")
    trackers = ["tensorboard", "wandb", "mlflow", memory]
    fit = {"x": IMAGES, "y": LABELS, "batch_size": 2, "epochs": EPOCHS, "verbose": 0}
    recorder = GradientRecorder(folder, trackers=trackers)
    with pytest.raises(KeyboardInterrupt):
        model.fit(**fit, callbacks=[backup, recorder, Interrupt()])
    between = wandb.run, mlflow.active_run(), statuses()
    recorder = GradientRecorder(folder, tensorboard=True, trackers=[*trackers, failing])
    with pytest.warns(UserWarning, match="Failing has stopped at RuntimeError: the server") as told:
        model.fit(**fit, callbacks=[backup, recorder])
    assert len([one for one in told if one.category is UserWarning]) == 1
    run = load_run(folder)
    return SimpleNamespace(folder=folder, run=run, memory=memory, failing=failing, between=between)


def statuses():
    return [run.info.status for run in mlflow.search_runs(output_format="list")]


def saved_by_wandb(folder, run_id):
    """The records in the files of an offline run: logs of LevelDB, in blocks of 32 kB."""
    from wandb.proto.wandb_internal_pb2 import Record

    for file in sorted(folder.glob(f"wandb/offline-run-*/run-{run_id}.wandb")):
        data, place, parts = file.read_bytes(), 7, b""
        while place < len(data):
            if (left := -place % 32768) < 7:
                place += left
            size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
            parts += data[place + 7 : place + 7 + size]
            place += 7 + size
            if kind in (1, 4):  # whole, or the last part
                yield Record.FromString(parts)
                parts = b""


def rows_of(folder, run_id):
    """What was logged to a run of W&B, row by row."""
    saved = saved_by_wandb(folder, run_id)
    rows = [record.history.item for record in saved if record.HasField("history")]
    return [{"/".join(i.nested_key): json.loads(i.value_json) for i in row} for row in rows]


def curves_of(run):
    """Each curve of the record, as value by step."""
    for name in ("grad_norm", "update_norm"):
        for place, path in enumerate(run.weights["path"]):
            values = run.statistics[name][:, place].tolist()
            yield f"{name}/{path}", dict(zip(run.steps.tolist(), values, strict=True))


@pytest.mark.slow
def test_wandb_has_the_curves(offline, trained):
    run_id = (trained.folder / "wandb_run.txt").read_text("utf-8")
    rows = rows_of(offline, run_id)
    steps = [row["keraskip/step"] for row in rows]
    assert steps == [*range(STEPS + 7), *range(STEPS, STEPS * EPOCHS)]
    for tag, curve in curves_of(trained.run):
        assert {row["keraskip/step"]: row[tag] for row in rows} == curve
    metrics = [r.metric for r in saved_by_wandb(offline, run_id) if r.HasField("metric")]
    axes = {metric.glob_name: metric.step_metric for metric in metrics}
    assert axes["grad_norm/*"] == axes["log10_gradient/*"] == "keraskip/step"


@pytest.mark.slow
def test_wandb_has_the_histograms(offline, trained):
    rows = rows_of(offline, (trained.folder / "wandb_run.txt").read_text("utf-8"))
    for path, size in zip(*(trained.run.weights[key] for key in ("path", "size")), strict=True):
        tag = f"log10_gradient/{path}"
        shown = {row["keraskip/step"]: row for row in rows if f"{tag}/_type" in row}
        last = shown[STEPS * EPOCHS - 1]
        assert last[f"{tag}/_type"] == "histogram"
        assert last[f"{tag}/bins"] == list(range(-16, 3))
        assert sum(last[f"{tag}/values"]) == pytest.approx(size, rel=1e-5)
        # The first step, and the last one of each epoch.
        assert {0, STEPS - 1, 2 * STEPS - 1} < set(shown)


def test_mlflow_has_the_curves(trained):
    client = mlflow.MlflowClient()
    run_id = (trained.folder / "mlflow_run.txt").read_text("utf-8")
    for tag, curve in curves_of(trained.run):
        history = client.get_metric_history(run_id, tag)
        shown = sorted((m.timestamp, m.step, m.value) for m in history)
        assert {step: value for _, step, value in shown} == curve


def test_mlflow_has_the_histograms(trained):
    client = mlflow.MlflowClient()
    run_id = (trained.folder / "mlflow_run.txt").read_text("utf-8")
    files = sorted(file.path for file in client.list_artifacts(run_id, "log10_gradient"))
    assert f"log10_gradient/{STEPS - 1:08}.json" in files
    last = mlflow.artifacts.load_dict(f"runs:/{run_id}/{files[-1]}")
    for path, size in zip(*(trained.run.weights[key] for key in ("path", "size")), strict=True):
        assert last[path]["step"] == STEPS * EPOCHS - 1
        assert last[path]["edges"] == list(range(-16, 3))
        assert sum(last[path]["counts"]) == pytest.approx(size, rel=1e-5)


def test_a_run_of_its_own_is_ended_and_goes_on(offline, trained):
    assert trained.between == (None, None, ["KILLED"])
    assert wandb.run is mlflow.active_run() is None
    run = mlflow.get_run((trained.folder / "mlflow_run.txt").read_text("utf-8"))
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run")
    run_id = (trained.folder / "wandb_run.txt").read_text("utf-8")
    saved = list(saved_by_wandb(offline, run_id))
    assert [r.exit.exit_code for r in saved if r.HasField("exit")] == [1, 0]
    assert {r.run.display_name for r in saved if r.HasField("run")} == {"run"}


def test_tensorboard_drops_what_the_interrupted_epoch_had_shown(trained):
    accumulator = EventAccumulator(str(trained.folder / "tensorboard"), {"tensors": 0})
    accumulator.Reload()
    for tag, curve in curves_of(trained.run):
        assert [event.step for event in accumulator.Tensors(tag)] == list(curve)


def test_a_tracker_of_a_user(trained):
    began, went_on = ("open", "run", 0), ("open", "run", STEPS)
    ends = ("close", "interrupted"), ("close", "finished")
    assert trained.memory.calls == [began, ends[0], went_on, ends[1]]
    for tag, curve in curves_of(trained.run):
        assert {log.step: log.scalars[tag] for log in trained.memory.logs} == curve


def test_one_that_fails_stops_alone(trained):
    assert trained.failing.calls == ["open", "add", "close"]
    assert trained.run.steps.tolist() == list(range(STEPS * EPOCHS))
    assert trained.run.info["status"] == "finished"


# Without a training


def rows(steps=3):
    """Rows with a NaN, an infinite value and a weight that has no gradient in a step."""
    values = RANDOM.uniform(0.1, 1, (steps, len(WEIGHTS), len(COLUMNS)))
    values[0, 0, COLUMNS.index("grad_norm")] = np.nan
    values[1, 0, COLUMNS.index("grad_norm")] = np.inf
    values[2, 0] = np.nan
    batches = np.zeros((steps, 1, len(OF_BATCH)))
    return Rows(np.arange(steps), values, np.zeros((steps, len(OF_UPDATE))), batches)


def show(trackers, folder, rows):
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text('{"status": "running"}', "utf-8")
    group = Trackers(made_trackers(trackers, False))
    group.open(folder, WEIGHTS, COLUMNS, 0)
    group.add(rows)
    group.close("finished")


def test_a_run_that_is_active_is_used_and_left_open(tmp_path, offline):
    mine = wandb.init(name="mine"), mlflow.start_run(run_name="mine")
    mine[0].log({"loss": 1.0})
    mlflow.log_metric("loss", 1.0)
    show(["wandb", "mlflow"], tmp_path, rows())
    assert wandb.run is mine[0]
    assert mlflow.active_run().info.run_id == mine[1].info.run_id
    mine[0].log({"loss": 2.0})
    mine[0].finish()
    mlflow.end_run()
    logged = rows_of(offline, mine[0].id)
    assert [row.get("loss") for row in logged] == [1.0, None, None, None, 2.0]
    tags = mlflow.get_run(mine[1].info.run_id).data.metrics
    assert {"loss", "grad_norm/first/kernel"} < set(tags)
    assert not list(tmp_path.glob("*.txt"))


def test_values_and_names_of_every_kind(tmp_path, offline):
    memory, seen = Memory(), rows()
    show(["wandb", "mlflow", memory], tmp_path / "kinds", seen)
    tags = "grad_norm/first/kernel", "grad_norm/last (1)/b"
    norms = seen.values[:, :, COLUMNS.index("grad_norm")]
    assert [tags[0] in log.scalars for log in memory.logs] == [True, True, False]
    shown = rows_of(offline, (tmp_path / "kinds" / "wandb_run.txt").read_text("utf-8"))
    np.testing.assert_array_equal([float(row[tags[0]]) for row in shown[:2]], norms[:2, 0])
    np.testing.assert_array_equal([row[tags[1]] for row in shown], norms[:, 1])
    run_id = (tmp_path / "kinds" / "mlflow_run.txt").read_text("utf-8")
    history = mlflow.MlflowClient().get_metric_history(run_id, "grad_norm/last _1_/b")
    np.testing.assert_array_equal([metric.value for metric in history], norms[:, 1])


def test_a_new_run_in_the_folder_is_another_run_there(tmp_path):
    ids = []
    for _ in range(2):
        show(["wandb", "mlflow"], tmp_path, rows())
        ids.append([file.read_text("utf-8") for file in sorted(tmp_path.glob("*_run.txt"))])
    assert len({*ids[0], *ids[1]}) == 4


@pytest.mark.parametrize("method", ["open", "close"])
def test_a_failure_warns_once(tmp_path, method):
    memory, failing = Memory(), Failing(method)
    with pytest.warns(UserWarning, match="the server is gone") as told:
        show([failing, memory], tmp_path, rows())
    assert len(told) == 1
    assert len(memory.logs) == 3
    assert memory.calls[-1] == ("close", "finished")


def test_a_server_that_cannot_be_reached(tmp_path, monkeypatch):
    """The run that W&B began is ended, and not taken for one of the user's in the next training."""

    def refuse(*args, **kwargs):
        raise OSError("no connection")

    monkeypatch.setattr(wandb.Run, "define_metric", refuse)
    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", refuse)
    with pytest.warns(UserWarning, match="no connection") as told:
        show(["wandb", "mlflow"], tmp_path, rows())
    assert [str(one.message).split()[0] for one in told] == ["WandbTracker", "MLflowTracker"]
    assert wandb.run is mlflow.active_run() is None


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
@pytest.mark.parametrize("folder", [True, False], ids=["a folder of that name", "nothing"])
def test_without_the_package(tmp_path, monkeypatch, name, folder):
    if folder:
        (tmp_path / name).mkdir()
    find = partial(PathFinder.find_spec, path=[str(tmp_path)])
    monkeypatch.setattr("keraskip.versions.find_spec", find)
    with pytest.raises(ImportError, match=rf"pip install 'keraskip\[{name}\]'"):
        GradientRecorder(tmp_path, trackers=[name])


@pytest.mark.parametrize(
    ("trackers", "error", "says"),
    [
        ("wandb", TypeError, r"such as \['wandb'\]"),
        (["wandbb"], ValueError, "nearest: wandb"),
        ([print], TypeError, "methods open, add and close"),
        ([Memory], TypeError, "methods open, add and close"),
    ],
)
def test_what_is_no_tracker(tmp_path, trackers, error, says):
    with pytest.raises(error, match=says):
        GradientRecorder(tmp_path, trackers=trackers)
