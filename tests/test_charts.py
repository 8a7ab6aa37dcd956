"""The data and the looks that the charts are given to draw."""

import json

import altair as alt
import numpy as np
import pytest
from made_runs import STEPS, chain, made_run
from test_analysis import write_run

from keraskip.analysis.groups import grouped
from keraskip.report.charts import charts
from keraskip.report.first_chart import LINE, _with_room
from keraskip.report.looks import COLOURS, looks_of
from keraskip.report.paper import fitted
from keraskip.runs import load_run

PROFILES = alt.NamedData("profiles")


@pytest.fixture
def runs(tmp_path):
    families = {"plain8": "plain", "plain14": "plain", "resnet8": "resnet"}
    for name, family in families.items():
        epochs = [{"epoch": 0, "steps": 20, "accuracy": 0.5}]
        info = {"trial": {"family": family}}
        write_run(tmp_path / name, 10.0 ** -np.arange(6), info=info, epochs=epochs)
    return [load_run(tmp_path / name) for name in families]


def test_families_share_a_colour_and_differ_in_dashes(runs):
    chart = fitted(grouped(runs), "text").to_dict()["vconcat"][0]["hconcat"][0]["encoding"]
    colours, dashes = chart["color"]["scale"], chart["strokeDash"]["scale"]
    assert colours["domain"] == ["plain8", "plain14", "resnet8"]
    assert colours["range"] == [COLOURS[0], COLOURS[0], COLOURS[1]]
    assert dashes["range"][0] == dashes["range"][2] != dashes["range"][1]


def test_runs_of_ones_own_look_different(tmp_path):
    runs = [load_run(write_run(tmp_path / f"run{n}", np.ones(6))) for n in range(20)]
    assert len(set(looks_of(grouped(runs)))) == 20


def test_the_drawn_numbers_are_the_recorded_ones(runs):
    datasets = fitted(grouped(runs[:1]), "text").to_dict()["datasets"].values()
    (profiles,) = (rows for rows in datasets if "rms" in rows[0])
    drawn = [row["rms"] for row in profiles if row["signal"] == "backward"]
    assert drawn == pytest.approx(10.0 ** -np.arange(5), rel=1e-5)


def test_values_over_time_have_a_chart_of_their_own(tmp_path):
    epochs = [{"epoch": 0, "steps": 20, "accuracy": 0.5}]
    write_run(tmp_path / "without", np.ones(3), epochs=epochs)
    for name in "one", "two":
        path = write_run(tmp_path / name, np.ones(3), epochs=epochs)
        info = json.loads((path / "run.json").read_text())
        for epoch, value in (0, 9.0), (1, 0.5):
            rows = [
                {"probe": "signal", "layer": "memory", "depth": 1, "value": value},
                {"probe": "time", "layer": "memory", "depth": 1, "value": [0.0, "nan", value]},
            ]
            info["probes"] += [{"epoch": epoch, **row} for row in rows]
        (path / "run.json").write_text(json.dumps(info))
    runs = [load_run(tmp_path / name) for name in ("without", "one", "two")]
    drawings = charts(grouped(runs), PROFILES)
    drawn = {}
    for name in "probes", "time":
        (rows,) = drawings[name].to_dict()["datasets"].values()
        drawn[name] = [(row["run"], row["time"], row["value"]) for row in rows]
    assert drawn["probes"] == [("one", None, 0.5), ("two", None, 0.5)]
    steps = [(0, 0.0), (1, None), (2, 0.5)]
    assert drawn["time"] == [(name, *step) for name in ("one", "two") for step in steps]
    assert not {"probes", "time"} & {*charts(grouped(runs[:1]), PROFILES)}


def test_a_long_sequence_is_thinned_and_keeps_its_last_step(tmp_path):
    path = write_run(tmp_path / "run", np.ones(3), epochs=[{"epoch": 0, "steps": 20, "loss": 0.5}])
    info = json.loads((path / "run.json").read_text())
    for layer, steps in ("long", 6000), ("short", 250):
        row = {"epoch": 0, "probe": "time", "layer": layer, "depth": 1, "value": [1.0] * steps}
        info["probes"].append(row)
    (path / "run.json").write_text(json.dumps(info))
    drawings = charts(grouped([load_run(path)]), PROFILES)
    (rows,) = drawings["time"].to_dict()["datasets"].values()
    times = {
        layer: [row["time"] for row in rows if row["layer"] == layer] for layer in ("long", "short")
    }
    assert times["short"] == list(range(250))
    assert 200 <= len(times["long"]) <= 251
    assert times["long"][-1] == 5999


def test_a_page_draws_more_epochs_than_altair_takes():
    """It refuses frames of more than 5,000 rows, unless a picture is saved."""
    epochs = [{"epoch": number, "steps": STEPS, "loss": 0.5} for number in range(2600)]
    runs = [made_run(name, chain(1), 1e-2, info={"epochs": epochs}) for name in ("one", "two")]
    (rows,) = charts(grouped(runs), PROFILES)["learning"].to_dict()["datasets"].values()
    assert len(rows) == 5200


def test_a_vanished_signal_is_not_drawn_as_zero():
    probe = {"epoch": 0, "probe": "signal", "layer": "dense", "depth": 1}
    rows = [{**probe, "value": 3e-13}, {**probe, "value": "inf"}]
    drawing = charts(grouped([made_run("run", chain(3), 1e-2, info={"probes": rows})]), PROFILES)
    (drawn,) = drawing["probes"].to_dict()["datasets"].values()
    assert [row["value"] for row in drawn] == [3e-13, None]


def test_of_many_names_those_of_ill_networks_are_shown_a_line_apart():
    heights = np.linspace(0, 1, 50)
    ill = range(1, 50, 7)
    order = sorted(range(50), key=lambda index: index not in ill)
    chosen = _with_room(heights, [order.index(index) for index in range(50)])
    assert set(ill) <= set(chosen)
    assert np.diff(heights[chosen]).min() >= LINE
    assert len(chosen) > 10
