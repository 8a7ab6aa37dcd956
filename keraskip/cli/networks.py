"""The commands about named networks."""

from typing import Annotated

import typer

from keraskip.cli.terminal import bad_input_in_one_line, import_keras_quietly, waiting


def list_names(
    pattern: Annotated[str, typer.Argument(help="Pattern of the names, such as 'resnet*'.")] = "*",
) -> None:
    """List the named networks. Loads no TensorFlow."""
    from keraskip.models.zoo import list_models, overview

    with bad_input_in_one_line():
        if not list_models(pattern):
            raise ValueError(f"No name matches. Received: {pattern!r} (all: keraskip list)")
    print(overview(pattern))


def describe(
    name: Annotated[str, typer.Argument(help="A name from `keraskip list`.")],
) -> None:
    """Print a network's published figures beside the figures of the built model."""
    from keraskip.models.zoo import find

    with bad_input_in_one_line():
        find(name)
    with waiting(f"building {name}"):
        import_keras_quietly()
        from keraskip.models.description import describe as describe_model

        description = describe_model(name)
    print(description)
