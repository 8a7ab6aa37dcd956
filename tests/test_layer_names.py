"""The names of layers on charts, and the charts beside the signal over depth."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from made_runs import classifier, falling, flat, run_of
from test_report import INFO

import keraskip
from keraskip.analysis.groups import grouped
from keraskip.report.charts import charts
from keraskip.report.first_chart import first_chart
from keraskip.report.heat_map import heat_map
from keraskip.report.layer_names import depth_label, ways_of
from keraskip.report.looks import COLOURS
from keraskip.report.page import as_html


def rows_of(*ways):
    """Layers of a network, each given as the branch and the names of the layers on it."""
    rows = [
        ("run", "net", branch, layer, depth, 0)
        for branch, layers in ways
        for depth, layer in enumerate(layers, 1)
    ]
    names = ["run", "group", "branch", "layer", "depth", "moment"]
    return pd.DataFrame(rows, columns=names)


IMAGE, TEXT = ("0", ["i1", "i2", "i3", "i4"]), ("1", ["t1", "t2", "t3"])


def test_towers_are_called_by_their_first_layers():
    assert ways_of(rows_of(IMAGE, TEXT)) == {"0": "i1", "1": "t1"}


def test_a_shortcut_is_no_tower():
    assert ways_of(rows_of(IMAGE, ("1", ["project"]))) == {}
    assert ways_of(rows_of(IMAGE)) == {}


def test_towers_have_colours_and_names_on_the_large_chart():
    rows = rows_of(IMAGE, TEXT).assign(signal="backward", rms=1e-3)
    run = replace(run_of(falling(), info=classifier()), path=Path("net"))
    lines, names = first_chart(grouped([run]), rows)["layer"]
    colour = lines["encoding"]["color"]["condition"]
    assert (colour["field"], colour["scale"]["range"]) == ("branch", list(COLOURS[:2]))
    assert {(row["branch"], row["group"]) for row in names["data"]["values"]} == {
        ("0", "i1"),
        ("1", "t1"),
    }


def test_an_axis_names_its_layers_where_there_is_room():
    label = depth_label(rows_of(("0", ["model/first", "model/second"])), "width")
    assert '{"1": "first", "2": "second"}' in label
    assert label.startswith("(width < 98 ?")
    # Two layers at a depth have no place for two names.
    assert "i1" not in depth_label(rows_of(IMAGE, TEXT), "width")
    twice = depth_label(rows_of(("0", ["encoder/dense", "decoder/dense"])), "width")
    assert "encoder/dense" in twice


def test_the_map_names_the_layer_that_is_blamed():
    run = run_of(flat(), info=classifier(), layers=6)
    assert len(heat_map([run], "kernel", None)["layer"]) == 1
    hostile = 'a"; alert(1); "'
    named = heat_map([run], "kernel", {"run": {hostile: "dead layer"}})["layer"][1:]
    assert [each["mark"]["type"] for each in named] == ["text", "text"]
    # As a string of JSON it stays a name.
    assert f"{{{json.dumps(hostile)}: " in named[0]["transform"][0]["filter"]


def test_held_out_samples_and_the_learning_rate_have_charts_where_they_are_known():
    epochs = [{"epoch": n, "steps": 150, "accuracy": 0.5, "val_accuracy": 0.25} for n in (0, 1)]
    rates = np.repeat([0.1, 0.01], 150)
    run = run_of(falling(), info=classifier(), epochs=epochs, learning_rate=rates)
    drawn = charts(grouped([run]))
    assert [row["val_accuracy"] for row in drawn["held_out"]["data"]["values"]] == [0.25, 0.25]
    shown = [row["rate"] for row in drawn["rate"]["data"]["values"]]
    np.testing.assert_allclose(shown, rates[::2], rtol=1e-6)
    without = charts(grouped([run_of(None, info=classifier())]))
    assert not {"held_out", "rate"} & {*without}


def test_a_chart_with_nothing_to_show_is_left_out():
    """Without any gradient the loss stands first, and no axes are empty."""
    silent = dict.fromkeys(("grad_norm", "grad_max", "update_norm"), 0.0)
    run = run_of(flat(), info={**INFO, **classifier()}, **silent)
    page = as_html(keraskip.compare(run))
    assert '<h2 id="title-first">Loss by step</h2>' in page
    assert 'id="chart-ratio"' not in page
    assert 'id="chart-frozen"' in page


def test_code_may_break_behind_brackets_but_not_within_numbers():
    heights = 10.0 ** (-8 + 0.4 * np.arange(20)).repeat(2)
    ill = {"grad_norm": heights, "grad_max": heights}
    page = as_html(
        keraskip.compare(run_of(flat(), layers=20, info={**INFO, **classifier()}, **ill))
    )
    assert "BatchNormalization(<wbr>momentum=0.9)(<wbr>layer(<wbr>x))" in page
