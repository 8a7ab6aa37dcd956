"""The commands for artefacts: export, check, predict."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from keraskip.checks import check_choice
from keraskip.cli.sources import check_source, images_of, model_of, parted
from keraskip.cli.terminal import bad_input_in_one_line, import_keras_quietly, quiet, waiting
from keraskip.cli.trust import load

# Images to compare on.
SAMPLES = 8
Trust = Annotated[
    bool, typer.Option("--trust", help="Run the code in a .keras file, such as a Lambda layer.")
]


class Format(StrEnum):
    """The formats of artefacts."""

    savedmodel = "savedmodel"
    onnx = "onnx"
    litert = "litert"
    openvino = "openvino"


class Quantization(StrEnum):
    """The numbers of LiteRT below float32."""

    float16 = "float16"
    dynamic = "dynamic"
    int8 = "int8"
    int8_only = "int8_only"
    int16x8 = "int16x8"


CALIBRATED = (Quantization.int8, Quantization.int8_only, Quantization.int16x8)


def export(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_FILE",
            help="A .keras file, or a name from `keraskip list`, for trained weights as "
            "NAME:WEIGHTS, such as resnet20:fashion_mnist.",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    format: Annotated[Format, typer.Option(help="The format to write.")] = Format.savedmodel,
    signature: Annotated[
        list[str] | None,
        typer.Option(
            help="For SavedModel: serve, uint8, encoded. Repeatable; the first is the default.",
            show_default="serve",
        ),
    ] = None,
    class_names: Annotated[
        Path | None, typer.Option(help="A text file with one class name per line.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data as for compare: to normalise by, to compare on, for int8 and int16x8."
        ),
    ] = None,
    quantization: Annotated[
        Quantization | None,
        typer.Option(help="For LiteRT: numbers below float32.", show_default="none"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="For LiteRT: the only size of batches; LSTM and GRU need one."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="The same as in NAME:WEIGHTS, or a file of weights.")
    ] = None,
    fold: Annotated[
        bool, typer.Option(help="Fold batch normalisation into the convolutions.")
    ] = True,
    trust: Trust = False,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing artefact.")] = False,
) -> None:
    """Write a network as SavedModel, ONNX, LiteRT or OpenVINO, checked against the model.

    A file from a run folder also brings the run's normalisation and test results.
    """
    from keraskip.export.artefact.drafts import check_target

    with bad_input_in_one_line():
        options = _format_options(format, signature, quantization, batch_size, dataset)
        network, weights = _named_once(network, weights)
        check_source(network, weights)
        check_target(out, overwrite)
        if class_names:
            options["class_names"] = class_names.read_text("utf-8").splitlines()
        with waiting(f"loading {network}"):
            import_keras_quietly()
            model, run, preprocessing = model_of(network, weights, trust)
            if dataset is not None:
                images, preprocessing = images_of(dataset)
                options["samples"] = images[:SAMPLES]
                if quantization in CALIBRATED:
                    options["representative"] = images
        with waiting(f"writing and checking {out}"), quiet():
            _exporter(format)(
                model, out, preprocessing=preprocessing, fold_batch_norm=fold, run=run,
                overwrite=overwrite, **options,
            )  # fmt: skip
    print(out)


def check(
    artefact: Annotated[Path, typer.Argument(help="A folder that `keraskip export` wrote.")],
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The .keras file to compare with.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Data as for export: to compare on; int8 and int16x8 need them."),
    ] = None,
    trust: Trust = False,
) -> None:
    """Print an artefact's inputs, outputs, size and speed, and its differences from FILE.

    Fails if a difference is larger than an export may have.
    """
    from keraskip.export.artefact.opened import Artefact, report
    from keraskip.export.errors import ExportError

    with bad_input_in_one_line(), waiting(f"checking {artefact}"), quiet():
        if dataset is not None and against is None:
            raise ValueError("--dataset is for --against. Received: no --against")
        opened = Artefact(artefact)
        differences, failure = {}, None
        if against:
            from keraskip.export.artefact.gate import compare

            samples = None if dataset is None else images_of(dataset)[0][:SAMPLES]
            try:
                differences = compare(opened, load(against, trust), samples)
            except ExportError as error:
                failure = error
        table = report(opened, differences)
    print(table)
    if failure:
        print(f"keraskip: {failure}", file=sys.stderr)
        raise typer.Exit(1)


def predict(
    source: Annotated[
        str,
        typer.Argument(
            metavar="ARTEFACT_OR_NAME:WEIGHTS",
            help="A folder that `keraskip export` wrote, a name and its weights, such as "
            "resnet50:imagenet, or a .keras file.",
        ),
    ],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to print for each image.")] = 3,
    trust: Trust = False,
) -> None:
    """Classify image files; with an artefact without Keras."""
    from keraskip.cli.classifier import classifier_of
    from keraskip.tables import add_row, new_table, printed

    # The library for TIFF prints what it thinks of a damaged file.
    with bad_input_in_one_line(), waiting(f"loading {source}"), quiet():
        classify = classifier_of(source, trust)
        table = new_table()
        for heading in ("image", "class", "score"):
            table.add_column(heading, justify="right" if heading == "score" else "left")
        for image in images:
            for rank, (name, score) in enumerate(classify(image, top)):
                add_row(table, "" if rank else str(image), name, f"{score:.3f}")
    print(printed(table))


def _named_once(source: str, option: str | None) -> tuple[str, str | None]:
    """Name or file, and weights: of NAME:WEIGHTS or of the option."""
    network, weights = parted(source)
    if weights is not None and option is not None:
        raise ValueError(
            "Weights are named as NAME:WEIGHTS or by --weights, not by both. "
            f"Received: {source} --weights {option}"
        )
    return network, option if weights is None else weights


def _format_options(
    format: Format,
    signature: list[str] | None,
    quantization: Quantization | None,
    batch_size: int | None,
    dataset: str | None,
) -> dict[str, Any]:
    """The options of the format; ValueError for an option of another format."""
    from keraskip.export.formats.savedmodel import SIGNATURES

    if signature and format is not Format.savedmodel:
        raise ValueError(f"--signature is for savedmodel. Received: --format {format}")
    for name in signature or []:
        check_choice("--signature", name, SIGNATURES)
    if quantization and format is not Format.litert:
        raise ValueError(f"--quantization is for litert. Received: --format {format}")
    if batch_size is not None and format is not Format.litert:
        raise ValueError(f"--batch-size is for litert. Received: --format {format}")
    if quantization in CALIBRATED and not dataset:
        raise ValueError(
            f"--quantization {quantization} needs images: --dataset. Received: no --dataset"
        )
    options: dict[str, Any] = {"signatures": signature} if signature else {}
    options |= {"quantization": quantization.value} if quantization else {}
    return options | ({} if batch_size is None else {"batch_size": batch_size})


def _exporter(format: Format) -> Any:
    from keraskip.export import exporters

    return getattr(exporters, f"export_{format}")
