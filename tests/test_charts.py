"""The data and the looks that the charts are given to draw."""

import json

import numpy as np
import pandas as pd
import pytest
from made_runs import STEPS, chain, made_run
from test_analysis import write_run

from keraskip.analysis.groups import grouped
from keraskip.analysis.moments import early_profiles
from keraskip.report.charts import charts
from keraskip.report.first_chart import first_chart
from keraskip.report.keys import with_groups
from keraskip.report.looks import COLOURS, looks_of
from keraskip.report.name_places import LINE, _apart, _with_room, places_of
from keraskip.report.paper import fitted
from keraskip.runs import load_run


@pytest.fixture
def runs(tmp_path):
    families = {"plain8": "plain", "plain14": "plain", "resnet8": "resnet"}
    for name, family in families.items():
        epochs = [{"epoch": 0, "steps": 20, "accuracy": 0.5}]
        info = {"trial": {"family": family}}
        write_run(tmp_path / name, 10.0 ** -np.arange(6), info=info, epochs=epochs)
    return [load_run(tmp_path / name) for name in families]


def test_families_share_a_colour_and_differ_in_dashes(runs):
    sheet = fitted(grouped(runs), "text")
    chart = sheet["vconcat"][0]["hconcat"][0]["encoding"]
    colours, dashes = chart["color"]["scale"], chart["strokeDash"]["scale"]
    names = next(each["value"] for each in sheet["params"] if each["name"] == "group_names")
    shown = [names[key] for key in colours["domain"]]
    assert shown == ["plain8", "plain14", "resnet8"]
    assert colours["range"] == [COLOURS[0], COLOURS[0], COLOURS[1]]
    assert dashes["range"][0] == dashes["range"][2] != dashes["range"][1]


def test_runs_of_ones_own_look_different(tmp_path):
    runs = [load_run(write_run(tmp_path / f"run{n}", np.ones(6))) for n in range(20)]
    assert len(set(looks_of(grouped(runs)))) == 20


def test_a_name_has_the_colour_of_its_line(tmp_path):
    """Names of ill networks are placed first, whatever the order of the groups."""
    write_run(tmp_path / "healthy", np.ones(12))
    write_run(tmp_path / "ill", 10.0 ** np.arange(-11, 1))
    groups = grouped([load_run(tmp_path / name) for name in ("healthy", "ill")])
    assert [group.verdict for group in groups] == ["healthy", "vanishing"]
    runs = [run for group in groups for run in group.runs]
    rows = with_groups(early_profiles(runs), groups)
    names = pd.DataFrame(first_chart(groups, rows)["layer"][-1]["data"]["values"])
    for keys in ("group", "group_key"), ("run", "run_key"):
        of_names, of_lines = (part[[*keys]].drop_duplicates() for part in (names, rows))
        assert set(map(tuple, of_names.to_numpy())) == set(map(tuple, of_lines.to_numpy()))


def test_the_drawn_numbers_are_the_recorded_ones(runs):
    profiles = fitted(grouped(runs[:1]), "text")["datasets"]["profiles"]
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
    drawings = charts(grouped(runs))
    drawn = {}
    for name in "probes", "time":
        rows = drawings[name]["data"]["values"]
        drawn[name] = [(row["run"], row["time"], row["value"]) for row in rows]
    assert drawn["probes"] == [("one", None, 0.5), ("two", None, 0.5)]
    steps = [(0, 0.0), (1, None), (2, 0.5)]
    assert drawn["time"] == [(name, *step) for name in ("one", "two") for step in steps]
    assert not {"probes", "time"} & {*charts(grouped(runs[:1]))}


def test_a_long_sequence_is_thinned_and_keeps_its_last_step(tmp_path):
    path = write_run(tmp_path / "run", np.ones(3), epochs=[{"epoch": 0, "steps": 20, "loss": 0.5}])
    info = json.loads((path / "run.json").read_text())
    for layer, steps in ("long", 6000), ("short", 250):
        row = {"epoch": 0, "probe": "time", "layer": layer, "depth": 1, "value": [1.0] * steps}
        info["probes"].append(row)
    (path / "run.json").write_text(json.dumps(info))
    drawings = charts(grouped([load_run(path)]))
    rows = drawings["time"]["data"]["values"]
    times = {
        layer: [row["time"] for row in rows if row["layer"] == layer] for layer in ("long", "short")
    }
    assert times["short"] == list(range(250))
    assert 200 <= len(times["long"]) <= 251
    assert times["long"][-1] == 5999


def test_all_of_many_epochs_are_drawn():
    epochs = [{"epoch": number, "steps": STEPS, "loss": 0.5} for number in range(2600)]
    runs = [made_run(name, chain(1), 1e-2, info={"epochs": epochs}) for name in ("one", "two")]
    rows = charts(grouped(runs))["learning"]["data"]["values"]
    assert len(rows) == 5200


def test_a_vanished_signal_is_not_drawn_as_zero():
    probe = {"epoch": 0, "probe": "signal", "layer": "dense", "depth": 1}
    rows = [{**probe, "value": 3e-13}, {**probe, "value": "inf"}]
    drawing = charts(grouped([made_run("run", chain(3), 1e-2, info={"probes": rows})]))
    drawn = drawing["probes"]["data"]["values"]
    assert [row["value"] for row in drawn] == [3e-13, None]


def test_of_many_names_those_of_ill_networks_are_shown_a_line_apart():
    heights = np.linspace(0, 1, 50)
    ill = range(1, 50, 7)
    order = sorted(range(50), key=lambda index: index not in ill)
    chosen = _with_room(heights, [order.index(index) for index in range(50)])
    assert set(ill) <= set(chosen)
    assert np.diff(heights[chosen]).min() >= LINE
    assert len(chosen) > 10


@pytest.mark.parametrize("heights", [[0, 0, 0, 0], [0.5, 0.5, 0.52, 1], [1, 1], [0.3], np.ones(50)])
def test_names_beside_the_first_layer_do_not_overlap(heights):
    moved = _apart(np.array(heights, float))
    assert (np.diff(moved) >= min(LINE, 1 / len(heights)) - 1e-9).all()
    assert moved[0] >= 0
    assert moved[-1] <= 1


def test_names_that_have_room_stay_where_they_are():
    heights = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(_apart(heights), heights)


def test_names_move_no_further_than_the_others_need():
    """Those that crowd lie about their middle, and do not push away one that has room."""
    heights = np.array([0.3, 0.5, 0.5, 0.5, 0.7])
    wanted = [0.3, 0.5 - LINE, 0.5, 0.5 + LINE, 0.7]
    np.testing.assert_allclose(_apart(heights), wanted)


def test_a_name_that_was_moved_knows_the_end_of_its_line():
    ends = {"a": 1e-2, "b": 1.1e-2, "c": 1.2e-2, "far": 1e-9}
    runs = [(f"{name}_{seed}", name, seed * end) for name, end in ends.items() for seed in (1, 4)]
    rows = pd.DataFrame(runs, columns=["run", "group", "rms"]).assign(moment=0, depth=2)
    places = places_of(rows, -10.0, 0.0, [*ends])
    assert len(places) == len(rows)
    one = places.drop_duplicates("group").set_index("group")
    assert one["moved"].to_dict() == {"a": True, "b": False, "c": True, "far": False}
    # The middle of its seeds.
    np.testing.assert_allclose(one["end"], [2e-2, 2.2e-2, 2.4e-2, 2e-9])
    assert one["rms"]["far"] == pytest.approx(2e-9)
    np.testing.assert_allclose(np.diff(np.log10(one["rms"][["a", "b", "c"]])), 10 * LINE)
    assert set(one["first"]) == {2}
