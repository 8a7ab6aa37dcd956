"""Tables of text that line up in a terminal, in a file and in a test."""

from rich.box import SIMPLE, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keraskip.labels import visible

WIDTH = 100
UNITS = {10**12: "T", 10**9: "G", 10**6: "M", 10**3: "k"}


def new_table(footer: bool = False) -> Table:
    """An empty table without a frame; the caller adds columns and rows."""
    box = SIMPLE if footer else SIMPLE_HEAD
    return Table(box=box, pad_edge=False, show_edge=False, show_footer=footer)


def add_row(table: Table, *cells: str) -> None:
    """Adds a row whose cells are shown as they are: brackets are no markup."""
    table.add_row(*(Text(visible(cell)) for cell in cells))


def printed(table: Table, width: int = WIDTH) -> str:
    """The table as text without colours."""
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def with_unit(number: int | None) -> str:
    """A number in k, M, G or T with two decimals; a number below 1,000 as it is."""
    if number is None:
        return "?"
    for factor, unit in UNITS.items():
        if number >= factor:
            return f"{number / factor:.2f} {unit}"
    return str(number)
