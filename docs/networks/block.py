"""Draws a block of each family, from the graph of the model that its builder makes.

The layers of the branch stand below each other, the ones on the shortcut beside them. A way around
layers is a thick line. Layers that only make room, as the padding in front of a strided
convolution, are left out.
"""

from pathlib import Path

import keras

import keraskip
from keraskip.graph import trace

AROUND = "#d55e00"
# Fill and edge of the boxes, of colours that the colour-blind tell apart (Okabe & Ito).
KERNEL, NORM, ACTIVE = ("#cfe6f5", "#0072b2"), ("#eeeeee", "#666666"), ("#fdeec2", "#b27d00")
JOIN, OTHER = ("#ffffff", AROUND), ("#ffffff", "#333333")
BOX, HEIGHT, STEP, TOP = 140, 24, 40, 48  # size of a box, from row to row, and the first row
BRANCH, LANE, SHORTCUT = 76, 168, 240  # the middle of each column, and the way of an identity
TIMES = "&#215;"


def boxes_of(model, prefix):
    """The layers of a block: for each name its text, its colours and the names in front of it."""
    calls = [call for call in trace(model) if call.name.startswith(prefix)]
    boxes = {"x": (f"x: {shape_of(calls[0].inputs[0])}", OTHER, [])}
    made_by = {}
    for call in calls:
        before = [made_by.get(id(tensor), "x") for tensor in call.inputs]
        text, colours = look(call)
        if text:
            boxes[call.name] = (text, colours, before)
        made_by[id(call.outputs[0])] = call.name if text else before[0]
    boxes["out"] = (shape_of(calls[-1].outputs[0]), OTHER, [calls[-1].name])
    return boxes


def shape_of(tensor):
    """Height, width and channels."""
    return f" {TIMES} ".join(map(str, tensor.shape[1:]))


def look(call):
    """What to write for a layer, and its colours."""
    layer = call.layer
    match layer:
        case keras.layers.Conv2D(kernel_size=(size, _), strides=(stride, _), filters=filters):
            halves = f", /{stride}" if stride > 1 else ""
            return f"{size}{TIMES}{size} conv, {filters}{halves}", KERNEL
        case keras.layers.BatchNormalization():
            return "batch norm", NORM
        case keras.layers.Activation():
            return {"relu": "ReLU"}[layer.activation.__name__], ACTIVE
        case keras.layers.Add():
            return "+", JOIN
        case keras.layers.Concatenate():
            return f"concatenate: {call.outputs[0].shape[-1]}", JOIN
        case keras.layers.AveragePooling2D(pool_size=(1, 1), strides=(stride, _)):
            return f"1 pixel of {stride}{TIMES}{stride}", OTHER
        case keras.layers.ZeroPadding2D(padding=((0, channels), (0, 0))):
            return f"{channels} zero channels", OTHER
        case keras.layers.ZeroPadding2D() | keras.layers.Permute():
            return "", OTHER
    raise TypeError(f"There is no picture of this layer. Received: {call.name}, {layer}")


def places_of(boxes):
    """The middle of each box."""
    beside = [name for name in boxes if "_shortcut_" in name]
    rows = [name for name in boxes if name not in beside]
    places = {name: (BRANCH, TOP + STEP * row) for row, name in enumerate(rows)}
    return places | {name: (SHORTCUT, TOP + STEP * row) for row, name in enumerate(beside, start=2)}


def arrow(start, end):
    """From box to box; around the boxes between them, if there are any."""
    (x, y), (to_x, to_y) = start, end
    fork, top, side = y + HEIGHT / 2 + 4, to_y - HEIGHT / 2, to_x + BOX / 2
    if x == to_x and to_y - y == STEP:
        return way(f"M{x} {y + HEIGHT / 2}V{top - 5}", AROUND if x == SHORTCUT else "#333333")
    if x < to_x:
        return way(f"M{x} {fork}H{to_x}V{top - 5}", AROUND)
    begin = f"M{x} {fork}H{LANE}" if x == to_x else f"M{x} {y + HEIGHT / 2}"
    return way(f"{begin}V{to_y}H{side + 5}", AROUND)


def way(path, colour):
    """A line with a head, thick where it leads around layers."""
    width, head = (3, "wide") if colour == AROUND else (1.5, "thin")
    return f'<path d="{path}" stroke="{colour}" stroke-width="{width}" marker-end="url(#{head})"/>'


def box(place, text, colours):
    """A layer."""
    (x, y), (fill, edge) = place, colours
    return (
        f'<rect x="{x - BOX / 2}" y="{y - HEIGHT / 2}" width="{BOX}" height="{HEIGHT}" rx="4" '
        f'fill="{fill}" stroke="{edge}"/><text x="{x}" y="{y + 4.5}">{text}</text>'
    )


def head(name, colour, size):
    """The head of an arrow."""
    return (
        f'<marker id="{name}" viewBox="0 0 6 6" refX="1" refY="3" orient="auto" '
        f'markerUnits="userSpaceOnUse" markerWidth="{size}" markerHeight="{size}">'
        f'<path d="M0 0L6 3L0 6z" fill="{colour}"/></marker>'
    )


def draw(title, model, prefix):
    """The picture of a block, as SVG."""
    boxes = boxes_of(model, prefix)
    places = places_of(boxes)
    columns = {x for x, _ in places.values()}
    width = max(columns) + BOX / 2 + (28 if columns == {BRANCH} else 6)
    height = max(y for _, y in places.values()) + HEIGHT
    arrows = [arrow(places[one], places[name]) for name in boxes for one in boxes[name][2]]
    drawn = [box(places[name], *boxes[name][:2]) for name in boxes]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" fill="none" text-anchor="middle" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        head("thin", "#333333", 7), head("wide", AROUND, 10), *arrows,
        '<g fill="#111111">',
        f'<text x="6" y="20" text-anchor="start" font-weight="bold">{title}</text>',
        *drawn, "</g></svg>",
    ])  # fmt: skip


small = {"block": "bottleneck", "stage_blocks": (2,), "filters": (16,)}
resnet = keraskip.build_resnet(14)
BLOCKS = {
    "plain": ("plain", keraskip.build_plain(14), "stage1_block2"),
    "identity": ("same shape", resnet, "stage1_block2"),
    "shortcut_a": ("new shape: A", resnet, "stage2_block1"),
    "shortcut_b": ("new shape: B", keraskip.build_resnet(14, shortcut="B"), "stage2_block1"),
    "bottleneck": ("bottleneck", keraskip.build_resnet(**small), "stage1_block2"),
    "preact": ("basic", keraskip.build_resnet(14, variant="preact"), "stage1_block2"),
    "preact_bottleneck": (
        "bottleneck", keraskip.build_resnet(variant="preact", **small), "stage1_block2",
    ),
    "dense": ("two layers", keraskip.build_densenet(stage_blocks=(2,)), "block1_layer"),
    "dense_bottleneck": (
        "bottleneck", keraskip.build_densenet(stage_blocks=(1,), bottleneck=True), "block1_layer",
    ),
}  # fmt: skip
for name, block in BLOCKS.items():
    Path(f"{name}.svg").write_text(draw(*block), "utf-8")
