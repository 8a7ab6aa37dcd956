"""The commands for artefacts: export, check, predict."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keraskip.cli.terminal import bad_input_in_one_line, import_keras_quietly, waiting

if TYPE_CHECKING:
    import keras

    from keraskip.data import Dataset
    from keraskip.export.preprocessing import Preprocessing

# Images to compare on, and for the ranges of 8 bits.
SAMPLES = 8
REPRESENTATIVE = 100


class Format(StrEnum):
    """The formats of artefacts."""

    savedmodel = "savedmodel"
    onnx = "onnx"
    litert = "litert"


class Quantization(StrEnum):
    """How LiteRT can do with 8 bits."""

    dynamic = "dynamic"
    int8 = "int8"


def export(
    network: Annotated[
        str,
        typer.Argument(metavar="NAME_OR_FILE", help="A .keras file, or a name of `keraskip list`."),
    ],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.savedmodel,
    signature: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a SavedModel: serve, uint8, encoded; the first one is the default.",
            show_default="serve",
        ),
    ] = None,
    class_names: Annotated[
        Path | None, typer.Option(help="A file with a class in each line.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Data as for compare: to compare on, to normalise by, for int8."),
    ] = None,
    quantization: Annotated[
        Quantization | None, typer.Option(help="Of LiteRT.", show_default="none")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="For a name: imagenet, or a file of weights.")
    ] = None,
    fold: Annotated[
        bool, typer.Option(help="Take batch normalisation into the convolutions.")
    ] = True,
    overwrite: Annotated[bool, typer.Option(help="Replace an artefact that is there.")] = False,
) -> None:
    """Write a network as SavedModel, ONNX or LiteRT, checked against the model.

    A file out of a run folder brings along how its images were normalised and its test results.
    """
    from keraskip.export.drafts import check_target

    with bad_input_in_one_line():
        options = _of_format(format, signature, quantization, dataset)
        _check_network(network, weights)
        check_target(out, overwrite)
        if class_names:
            options["class_names"] = class_names.read_text("utf-8").splitlines()
        with waiting(f"loading {network}"):
            import_keras_quietly()
            model, run, steps = _found(network, weights)
            data = None if dataset is None else _load(dataset)
        if data:
            images, steps = _images(data), _steps(*data.mean_and_deviation, data.white)
            options["samples"] = images[:SAMPLES]
            if quantization is Quantization.int8:
                options["representative"] = images
        with waiting(f"writing and checking {out}"):
            _exporter(format)(
                model, out, preprocessing=steps, fold_batch_norm=fold, run=run,
                overwrite=overwrite, **options,
            )  # fmt: skip
    print(out)


def check(
    artefact: Annotated[Path, typer.Argument(help="A folder that `keraskip export` wrote.")],
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The .keras file to compare it with.")
    ] = None,
) -> None:
    """Print what an artefact takes and gives, its size, its speed, and how far it is from FILE.

    Fails if it is farther than an export may be.
    """
    from keraskip.export.opened import Artefact, report

    with bad_input_in_one_line(), waiting(f"checking {artefact}"):
        opened = Artefact(artefact)
        differences, failure = {}, None
        if against:
            import_keras_quietly()
            from keraskip.export.comparing import compare
            from keraskip.export.parity import ExportError

            try:
                differences = compare(opened, _loaded(against))
            except ExportError as error:
                failure = error
        table = report(opened, differences)
    print(table)
    if failure:
        print(f"keraskip: {failure}", file=sys.stderr)
        raise typer.Exit(1)


def predict(
    artefact: Annotated[Path, typer.Argument(help="A folder that `keraskip export` wrote.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to print for each.")] = 3,
) -> None:
    """Classify image files by an artefact. Needs no Keras."""
    from keraskip.export.opened import Artefact
    from keraskip.tables import add_row, new_table, printed

    with bad_input_in_one_line(), waiting(f"loading {artefact}"):
        opened = Artefact(artefact)
        table = new_table()
        for heading in ("image", "class", "score"):
            table.add_column(heading, justify="right" if heading == "score" else "left")
        for image in images:
            for place, (name, score) in enumerate(opened.best(image, top)):
                add_row(table, "" if place else str(image), name, f"{score:.3f}")
    print(printed(table))


def _of_format(
    format: Format,
    signature: list[str] | None,
    quantization: Quantization | None,
    dataset: str | None,
) -> dict[str, Any]:
    """The options of a format; ValueError for those of another."""
    from keraskip.export.savedmodel import SIGNATURES

    if signature and format is not Format.savedmodel:
        raise ValueError(f"--signature is for savedmodel. Received: --format {format}")
    for name in signature or []:
        if name not in SIGNATURES:
            raise ValueError(f"--signature must be one of {SIGNATURES}. Received: {name!r}")
    if quantization and format is not Format.litert:
        raise ValueError(f"--quantization is for litert. Received: --format {format}")
    if quantization is Quantization.int8 and not dataset:
        raise ValueError("--quantization int8 needs images: --dataset. Received: no --dataset")
    options: dict[str, Any] = {"signatures": signature} if signature else {}
    return options | ({"quantization": quantization.value} if quantization else {})


def _check_network(network: str, weights: str | None) -> None:
    """ValueError or OSError for what is neither a file nor a name, before Keras is loaded."""
    from keraskip.models.zoo import find

    if not network.endswith(".keras"):
        find(network)
    elif weights:
        raise ValueError("--weights is for a name; a .keras file has its own.")
    elif not Path(network).is_file():
        raise FileNotFoundError(f"There is no file {network}.")


def _exporter(format: Format) -> Any:
    from keraskip.export import formats

    return getattr(formats, f"export_{format}")


def _found(
    network: str, weights: str | None
) -> tuple["keras.Model", Path | None, "Preprocessing | None"]:
    """The model, the run folder that its file is in, and what its images go through."""
    if network.endswith(".keras"):
        return _loaded(Path(network)), *_of_run(Path(network).parent)
    from keraskip.export.preprocessing import Preprocessing
    from keraskip.models.zoo import build

    model = build(network, weights=weights)
    if weights != "imagenet":
        return model, None, None
    mode = "torch" if network.startswith("densenet") else "tf" if "v2" in network else "caffe"
    return model, None, Preprocessing.of_keras(mode)


def _of_run(folder: Path) -> tuple[Path | None, "Preprocessing | None"]:
    from keraskip.runs import INFO_FILE, read_info

    if not (folder / INFO_FILE).is_file():
        return None, None
    known = read_info(folder).get("normalization")
    return folder, known and _steps(known["mean"], known["deviation"], known["white"])


def _steps(mean: Any, deviation: Any, white: float) -> "Preprocessing":
    """The normalisation of a data set, for images of 0 to 255."""
    import numpy as np

    from keraskip.export.preprocessing import Preprocessing

    scale = 255 / white
    return Preprocessing(np.multiply(mean, scale).tolist(), np.multiply(deviation, scale).tolist())


def _loaded(file: Path) -> "keras.Model":
    import keras

    import keraskip.models.recompute  # noqa: F401  so that its layers are known
    from keraskip.models.frame import deep_graphs

    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}.")
    with deep_graphs():
        return keras.models.load_model(file)


def _load(dataset: str) -> "Dataset":
    from keraskip.data import load_data

    return load_data(dataset)


def _images(data: "Dataset") -> Any:
    """Training images from all over the set, normalised."""
    import numpy as np

    last = len(data.train) - 1
    places = np.unique(np.linspace(0, last, REPRESENTATIVE).astype(int))
    mean, deviation = data.mean_and_deviation
    return (data.train.read(places) - mean) / deviation
