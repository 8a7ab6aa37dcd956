"""The command `keraskip`: parses arguments, calls one function, prints the result."""

import typer

from keraskip.cli.networks import describe, list_names
from keraskip.cli.recording import SCRIPT_COMES_LAST, record
from keraskip.cli.reports import report
from keraskip.cli.shipping import check, export, predict
from keraskip.cli.studies import compare

app = typer.Typer(
    help="Train networks with and without skip connections and see what their gradients do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(compare)
app.command(context_settings=SCRIPT_COMES_LAST)(record)
app.command()(report)
app.command("list")(list_names)
app.command()(describe)
app.command()(export)
app.command()(check)
app.command()(predict)
