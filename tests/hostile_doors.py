"""The doors of the package, and what a stranger hands in at each. A row in `DOORS` makes one more.

`hostile_workers.py` says what a door is, `hostile_samples.py` writes the files that are damaged.
"""

import inspect
import io
import shutil
import zipfile

import numpy as np
from hostile_changes import (
    NAMES,
    VALUES,
    changed_archive,
    changed_json,
    damaged,
    flipped,
    odd_kind,
)
from hostile_pages import lacks_browser, page, start_browser
from hostile_samples import SMALL
from hostile_workers import Door, SilentError, typed
from serving import HEAD, memory, picture, sent

RUN_FILES = ("run.json", "steps.arrow")


def run(draw, folder, samples):
    """A damaged run folder, loaded and compared; some by the command."""
    place = shutil.copytree(samples / "run", folder / "run")
    name = draw.choice(RUN_FILES)
    content = (place / name).read_bytes()
    if draw.random() < 0.03:
        (place / name).unlink()
        said = odd_kind(draw, place / name)
    else:
        change = changed_json if name == "run.json" else draw.choice([damaged, flipped, flipped])
        said, content = change(draw, content)
        (place / name).write_bytes(content)
    if draw.random() < 0.05:
        out = folder / "target" / "report.html"
        return f"report, {name}: {said}", lambda: typed("report", place, "--out", out)
    return f"{name}: {said}", lambda: _compared(place, samples / "run", name)


def _compared(place, sound, changed):
    from keraskip import compare, load_run

    found = load_run(place)
    str(compare(found))
    if changed != "run.json":
        _check_numbers(found, load_run(sound))


def _check_numbers(found, sound):
    """SilentError if a step has other numbers than it had, or a name is gone."""
    for kind in ("statistics", "scalars"):
        if gone := set(getattr(sound, kind)) - set(getattr(found, kind)):
            raise SilentError(f"{sorted(gone)} are gone")
    rows = {step: row for row, step in enumerate(sound.steps.tolist())}
    for kind in ("statistics", "scalars"):
        for name, values in getattr(found, kind).items():
            right = getattr(sound, kind).get(name)
            for row, step in enumerate(found.steps.tolist()):
                if right is None or step not in rows:
                    raise SilentError(f"{name} of step {step} is new")
                if not np.array_equal(values[row], right[rows[step]], equal_nan=True):
                    raise SilentError(f"{name} of step {step} has changed")


def model(draw, folder, samples):
    """A damaged .keras file; some by the command."""
    content, file = (samples / "model.keras").read_bytes(), folder / "model.keras"
    if draw.random() < 0.03:
        said = odd_kind(draw, file)
    else:
        change = draw.choice([damaged, flipped, changed_archive, changed_config, changed_config])
        said, content = change(draw, content)
        file.write_bytes(content)
        if change is flipped:
            return said, lambda: _same_weights(file, samples)
    if draw.random() < 0.1:
        image = samples / "colours.png"
        return f"predict, {said}", lambda: typed("predict", file, image)
    return said, lambda: _loaded(file)


def changed_config(draw, content):
    """A .keras file with another configuration."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    said, members["config.json"] = changed_json(draw, members["config.json"])
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return said, written.getvalue()


def _loaded(file):
    from keraskip import load_model

    return load_model(file)


def _same_weights(file, samples):
    for found, right in zip(
        _loaded(file).get_weights(), _loaded(samples / "model.keras").get_weights(), strict=True
    ):
        if not np.array_equal(found, right):
            raise SilentError("other weights")


def weights(draw, folder, samples):
    """Damaged files of weights."""
    from keraskip import build_resnet
    from keraskip.models.safetensors import read_safetensors

    name = draw.choice(["model.weights.h5", "model.keras", "some.safetensors"])
    file, content = folder / name, (samples / name).read_bytes()
    if draw.random() < 0.05:
        said = odd_kind(draw, file)
    else:
        change = changed_archive if name == "model.keras" and draw.random() < 0.5 else damaged
        said, content = change(draw, content)
        file.write_bytes(content)
    if name.endswith("safetensors"):
        return f"{name}: {said}", lambda: [each.sum() for each in read_safetensors(file).values()]
    return f"{name}: {said}", lambda: build_resnet(**SMALL, weights=file)


def card(draw, folder, samples):
    """An artefact with a damaged card."""
    place = shutil.copytree(samples / "artefact", folder / "artefact")
    file = place / "model_card.json"
    said, content = changed_json(draw, file.read_bytes())
    file.write_bytes(content)
    return said, lambda: _classified(place, samples / "colours.png")


def _classified(place, image):
    from keraskip import Artefact

    artefact = Artefact(place)
    artefact(np.zeros((1, 8, 8, 1), "float32"))
    artefact.best(image)


def npz(draw, folder, samples):
    """Damaged arrays, and arrays that do not fit."""
    file = folder / "a.npz"
    draws, has_checksums = draw.random(), False
    if draws < 0.03:
        said = odd_kind(draw, file)
    elif draws < 0.5:
        content = (samples / draw.choice(["plain.npz", "packed.npz"])).read_bytes()
        change = draw.choice([damaged, flipped, changed_archive])
        # The checksums of an archive that is written anew are right.
        has_checksums = change is not changed_archive
        said, content = change(draw, content)
        file.write_bytes(content)
    else:
        arrays = {key: _array(draw) for key in draw.sample(sorted(ARRAYS), draw.randrange(1, 5))}
        arrays |= {"x_train": _array(draw), "y_train": _array(draw)}
        np.savez(file, **arrays)
        said = str({key: (each.shape, str(each.dtype)) for key, each in arrays.items()})
    right = samples / "plain.npz" if has_checksums else None
    return said, lambda: _same_arrays(file, right)


ARRAYS = {"x_test", "y_test", "x_val", "y_val", "y_validation", "x_more"}
SHAPES = ((), (0,), (20,), (20, 1), (20, 8), (20, 8, 6), (20, 8, 6, 3), (20, 0, 6, 3),
          (20, 8, 6, 0), (0, 8, 6, 3), (19, 8, 6, 3), (20, 8, 6, 3, 1))  # fmt: skip
TYPES = ("uint8", "int64", "float32", "float16", "float64", "bool", "complex64", "S3", "U2",
         "object", "datetime64[s]")  # fmt: skip


def _array(draw):
    values = np.random.default_rng(draw.randrange(9)).integers(0, 3, draw.choice(SHAPES))
    array = np.asarray(values).astype(draw.choice(TYPES))
    if array.dtype.kind == "f" and array.size and draw.random() < 0.5:
        array.flat[0] = draw.choice([np.nan, np.inf, -np.inf, 6e4, -1])
    return array


def _same_arrays(file, right):
    from keraskip.data import load_data

    images = load_data(f"npz:{file}").train.images
    images.astype("float32")
    if right and not np.array_equal(images, load_data(f"npz:{right}").train.images):
        raise SilentError("other images")


IMAGES = ("colours", "deep", "palette", "inks", "moving", "packed")


def image(draw, folder, samples):
    """A damaged image file, under its name or another one's."""
    from keraskip import Preprocessing
    from keraskip.export.artefact.pictures import read_picture

    source = draw.choice(sorted(f for f in samples.iterdir() if f.stem in IMAGES
                                and f.suffix not in (".npz", ".keras")))  # fmt: skip
    file = folder / f"image{draw.choice([source.suffix, '.png', '.jpg'])}"
    said = _damaged_image(draw, source, file)
    shape = (8, 8, draw.choice([1, 3, 4]))
    return f"{source.name}: {said}", lambda: read_picture(file, shape, Preprocessing())


BOMBS = (b"P5 16000 16000 255\n", b"P6 12000 9000 255\n", b"P5 0 9 255\n", b"P5 50000 1000 255\n",
         b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(a) run\n")  # fmt: skip


def _damaged_image(draw, source, file):
    draws = draw.random()
    if draws < 0.04:
        return odd_kind(draw, file)
    if draws < 0.1:
        file.write_bytes(content := draw.choice(BOMBS))
        return repr(content)
    said, content = damaged(draw, source.read_bytes())
    file.write_bytes(content)
    return said


def folder_of_images(draw, folder, samples):
    """A folder of images with a damaged one."""
    from keraskip.data import load_data

    place = folder / "images"
    for number in range(12):
        (place / str(number % 3)).mkdir(parents=True, exist_ok=True)
        shutil.copy(samples / "colours.png", place / str(number % 3) / f"{number}.png")
    kind = draw.choice(["image", "image", "image", "empty", "none", "nested", "another size"])
    said = kind
    if kind == "image":
        source = draw.choice([samples / "colours.png", samples / "deep.png"])
        (place / "0" / "0.png").unlink()
        said = _damaged_image(draw, source, place / "0" / "0.png")
    elif kind == "empty":
        (place / draw.choice(["9", "train", "\x1b[0m"])).mkdir()
    elif kind == "nested":
        shutil.copytree(place / "0", place / "0" / "1.png")
    elif kind == "another size":
        from PIL import Image

        Image.new("L", (draw.randrange(1, 99), 1)).save(place / "0" / "0.png")
    else:
        shutil.rmtree(place / "0")
    side = draw.choice([None, None, 1, 4, 10**5, -1])
    return said, lambda: load_data(f"folder:{place}", image_size=side).train.images


def name(draw, folder, samples):
    """Names of runs, trials, prefixes and networks."""
    from keraskip import build, build_resnet, compare, load_run
    from keraskip.study.running import check_study
    from keraskip.study.trial import Trial

    given = draw.choice(NAMES)
    kind = draw.choice(["run", "trial", "prefix", "network", "data"])
    target = folder / "target"

    def of_run():
        place = target / given
        shutil.copytree(samples / "run", place)
        compare(load_run(place)).save(target / draw.choice(["a.html", "a.md", "a.csv", "a.svg"]))

    from keraskip.data import load_data

    actions = {
        "run": of_run,
        "trial": lambda: check_study([Trial(given, "resnet", {"depth": 20})], target),
        "prefix": lambda: build_resnet(**SMALL, prefix=given),
        "network": lambda: build(given),
        "data": lambda: load_data(draw.choice(["npz:", "folder:"]) + given),
    }
    # A run in a folder that the system cannot have, or outside of the target, is no case.
    if kind == "run" and (given in ("", ".", "..") or "/" in given or "\x00" in given):
        kind = "network"
    return f"{kind} {given[:40]!r}", actions[kind]


OPTIONS = {
    "compare": ("--set", "--seeds", "--dataset", "--epochs", "--out", "--processes", "--networks"),
    "report": ("--out", "--width", "--watch"),
    "describe": ("--classes",),
    "list": ("--all",),
    "export": ("--format", "--signature", "--weights", "--class-names", "--quantization"),
    "check": ("--against", "--trust"),
    "predict": ("--top", "--trust"),
    "record": ("--out", "--every"),
}
WORDS = ("0", "-1", "4294967296", "nan", "nope=1", "variant=0", "resnet20:x", "resnet55", "x.keras",
         "missing.json", "digitz", "vanishin", "a.exe", *NAMES)  # fmt: skip


def command_line(draw, folder, samples):
    """A command with words that it cannot mean."""
    command = draw.choice(sorted(OPTIONS))
    # A study or a file of this name does not exist, so that nothing begins to train.
    words = [draw.choice(["nope", "nope.py", "nope.keras", "nope:nope"])]
    for _ in range(draw.randrange(4)):
        words += draw.choice([(draw.choice(OPTIONS[command]), draw.choice(WORDS)),
                              (draw.choice(WORDS),)])  # fmt: skip
    words = [word for word in words if word != "--watch"]
    return f"{command} {words}"[:200], lambda: typed(command, *words)


ARGUMENTS = {
    "depth": (20, 21, -1), "stage_blocks": ((1, 1), (0,), ()), "filters": ((2, 4), (0, 1), (-1,)),
    "variant": ("preact", "v9"), "block": ("bottleneck", "basic"), "shortcut": ("A", "B", "Z"),
    "normalization": ("group", None), "activation": ("relu", "nope"), "classes": (3, 10**5),
    "input_shape": ((8, 8, 1), (0, 8, 1), (8, 8)), "pooling": ("avg", "max"), "prefix": ("a_", "/"),
    "include_top": (False,), "growth_rate": (2, 0), "weights": ("imagenet", "nope.h5"),
    "dropout": (0.5, 1.0),
}  # fmt: skip


def builder(draw, folder, samples):
    """A builder with odd arguments."""
    import keraskip

    name = draw.choice(["build_resnet", "build_plain", "build_densenet"])
    build = getattr(keraskip, name)
    known = set(inspect.signature(build).parameters)
    given = {key: value for key, value in SMALL.items() if key in known} | {"depth": None}
    for key in draw.sample(sorted(known & set(ARGUMENTS)), draw.randrange(1, 4)):
        given[key] = draw.choice([*ARGUMENTS[key], draw.choice(VALUES)])
    return f"{name} {given}"[:200], lambda: build(**given)


STATUSES = {200, 400, 405, 408, 411, 413, 503}


def request(draw, folder, samples):
    """A damaged request to the example that serves."""
    port, process = map(int, (samples / "server").read_text().split())
    body = picture(draw.randrange(256), kind=draw.choice(["png", "jpeg", "gif"]))
    length = draw.choice([len(body)] * 3 + [0, -1, len(body) - 5, 2 * 10**8, 10**30])
    heading = draw.choice([b"Content-Length: %d\r\n\r\n" % length,
                           b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"])  # fmt: skip
    said, content = "whole", HEAD + heading + body
    if draw.random() < 0.7:
        said, content = damaged(draw, content)
    return f"{said}, length {length}", lambda: _answered(port, process, content)


def _answered(port, process, content):
    answer = sent(port, content, ends=True)
    if answer is not None and answer[0] not in STATUSES:
        raise AssertionError(f"status {answer[0]}")
    good = picture(250)
    status, found = sent(port, HEAD, b"Content-Length: %d\r\n\r\n" % len(good), good)
    if (status, found[0]["class"]) != (200, "bright"):
        raise SilentError(f"{status}: {found}")
    if memory(process) > 2 * 2**30:
        raise AssertionError("2 GB")


def import_keras(samples):
    """What most doors need."""
    import keras  # noqa: F401

    import keraskip.cli
    import keraskip.models.zoo  # noqa: F401


DOORS = {
    "runs": Door(1500, run),
    "models": Door(600, model, import_keras),
    "weights": Door(300, weights, import_keras),
    "cards": Door(300, card, import_keras),
    "npz": Door(700, npz),
    "images": Door(800, image),
    "folders": Door(200, folder_of_images),
    "names": Door(300, name, import_keras),
    "command lines": Door(300, command_line, import_keras),
    "builders": Door(400, builder, import_keras),
    "HTTP": Door(400, request),
    "pages": Door(60, page, start_browser, lacks_browser),
}
