"""The names of layers on charts, and the charts beside the signal over depth."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import STEPS, classifier, falling, flat, layer, made_run, run_of
from test_report import INFO

import keraskip
from keraskip.analysis.groups import grouped
from keraskip.analysis.moments import early_profiles
from keraskip.report.charts import CAPTIONS, charts
from keraskip.report.compared import HOLLOW, left_out
from keraskip.report.first_chart import first_chart
from keraskip.report.heat_map import heat_map
from keraskip.report.keys import with_groups
from keraskip.report.layer_names import depth_label, ways_of
from keraskip.report.looks import COLOURS
from keraskip.report.map_names import names_on
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
    hostile = 'a"; alert(1); "'
    run = with_layers(hostile, *"bcdef")
    assert len(heat_map(grouped([run]), "kernel", None)["layer"]) == 1
    nowhere = {"run": {"no such layer": "dead layer"}}
    assert len(heat_map(grouped([run]), "kernel", nowhere)["layer"]) == 1
    named = heat_map(grouped([run]), "kernel", {"run": {hostile: "dead layer"}})["layer"][1:]
    assert [each["mark"]["type"] for each in named] == ["text", "text"]
    # As a string of JSON it stays a name.
    assert f'"0": {json.dumps(f"{hostile}: dead layer")}' in named[0]["transform"][0]["filter"]


def with_layers(*names):
    """A run of layers with these names."""
    run = run_of(flat(), info=classifier(), layers=len(names))
    return replace(run, path=Path("run"), weights=run.weights.assign(layer=np.repeat(names, 2)))


def test_a_map_names_a_layer_by_the_last_part_of_its_path():
    why = {"model/b": "dead layer"}
    assert names_on(with_layers(*"abc"), "kernel", why, 180) == {"b": "b: dead layer"}
    # The output is not on the map.
    assert names_on(with_layers(*"abc"), "kernel", {"c": "dead layer"}, 180) == {}
    two = with_layers("encoder/b", "decoder/b", "c")
    assert names_on(two, "kernel", why, 180) == {}
    assert [*names_on(two, "kernel", {"decoder/b": "dead layer"}, 180)] == ["decoder/b"]


@pytest.mark.parametrize(("count", "height"), [(60, 180), (60, 480), (500, 180), (500, 480)])
def test_names_on_a_map_lie_a_line_of_text_apart(count, height):
    names = [f"h{number}" for number in range(count)]
    run = with_layers(*names, "out")
    assert names_on(run, "kernel", dict.fromkeys(names, "dead layer"), height) == {
        "h0": "h0: dead layer",
        f"h{count // 2}": f"and {count - 2} more",
        names[-1]: f"{names[-1]}: dead layer",
    }
    near = dict.fromkeys(("h3", "h4"), "dead layer")
    assert names_on(run, "kernel", near, height) == {"h3": "h3: dead layer, and 1 more"}
    apart = dict.fromkeys(("h3", "h55"), "dead layer")
    assert len(names_on(run, "kernel", apart, height)) == (1 if count * 14 > 52 * height else 2)


def test_one_layer_has_a_map_a_name_and_no_ways():
    run = with_layers("only", "out")
    assert names_on(run, "kernel", {"only": "dead layer"}, 120) == {"only": "only: dead layer"}
    assert heat_map(grouped([run]), "kernel", None)["height"] == 120
    assert ways_of(rows_of(("0", ["only"]))) == {}
    assert '{"1": "only"}' in depth_label(rows_of(("0", ["only"])), "width")


def test_five_hundred_layers_and_odd_names_have_labels_on_the_axis():
    names = [f"h{number}" for number in range(500)]
    assert ways_of(rows_of(("0", names), ("1", [f"t{name}" for name in names]))) == {
        "0": "h0",
        "1": "th0",
    }
    label = depth_label(rows_of(("0", names)), "width")
    # A letter has 7 pixels, and a blank stands behind each name.
    assert label.startswith(f"(width < {7 * (len('h499') + 1) * 500} ?")
    odd = ["a/", "", 'b"\\</script>', "ü/ä"]
    places = {"1": "", "2": "", "3": "script>", "4": "ä"}
    # Two last parts are the same, so whole names stand there.
    whole = dict(zip(places, odd, strict=True))
    assert json.dumps(whole) in depth_label(rows_of(("0", odd)), "width")
    assert json.dumps({"1": "script>"}) in depth_label(rows_of(("0", odd[2:3])), "width")


def test_a_map_of_numbers_that_are_not_known_is_a_map():
    run = run_of(flat(), info={**INFO, **classifier()}, grad_norm=np.nan, grad_max=np.nan)
    assert names_on(run, "kernel", {"dense": "dead layer"}, 120) == {}
    assert len(heat_map(grouped([run]), "kernel", {"run": {"dense": "dead layer"}})["layer"]) == 1
    assert '<h2 id="title-first">Loss by step</h2>' in as_html(keraskip.compare(run))


def behind_a_gate():
    """A run of three layers on a branch that begins multiplied by 0, beside sound ones."""
    names = ["h1", "h2", "b1", "b2", "b3", "gate", "out"]
    layers = [
        layer(name, depth, names[depth - 2 : depth - 1], last=name == "out")
        for depth, name in enumerate(names, 1)
    ]
    rms = np.tile([1e-2, 1e-2, *[1e-8] * 3, 1e-2, 1e-2], (STEPS, 1))
    kernels, sizes = rms.copy(), np.ones((STEPS, 2 * len(names)))
    rms[0, 2:5] = kernels[0, 2:5] = 0
    sizes[0, 10] = 0
    info = {**INFO, **classifier()}
    return made_run(Path("run"), layers, rms, kernels, info=info, weight_norm=sizes)


def test_layers_that_the_verdict_leaves_out_are_hollow_points_with_a_note():
    comparison = keraskip.compare(behind_a_gate())
    assert [verdict.verdict for verdict in comparison.verdicts] == ["healthy"]
    assert left_out(comparison.groups) == {"run": ["b1", "b2", "b3"]}
    rows = with_groups(early_profiles(comparison.runs), comparison.groups)
    lines, points, _ = first_chart(comparison.groups, rows)["layer"]
    assert '{"0": [2, 3, 4]}' in points["transform"][0]["filter"]
    assert (lines["mark"]["type"], points["mark"]["filled"]) == ("line", False)
    assert HOLLOW in as_html(comparison)
    sound = keraskip.compare(run_of(flat(), info={**INFO, **classifier()}))
    assert HOLLOW not in as_html(sound)
    assert not left_out(sound.groups)


def test_the_page_of_towers_says_that_its_lines_are_ways():
    names = [("image", 4), ("text", 3)]
    layers = []
    for tower, count in names:
        stack = [f"{tower}{number}" for number in range(1, count + 1)]
        layers += [layer(each, n, stack[n - 2 : n - 1]) for n, each in enumerate(stack, 1)]
    layers.append(layer("out", 5, ["image4", "text3"], last=True))
    run = made_run(Path("run"), layers, 1e-2, info={**INFO, **classifier()})
    assert CAPTIONS["ways"].text in as_html(keraskip.compare(run))
    assert CAPTIONS["first"].text in as_html(keraskip.compare(behind_a_gate()))


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
