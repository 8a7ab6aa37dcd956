"""Texts from outside, such as the names of runs, layers and classes, made safe for what shows them.

`visible` comes first, wherever such a text enters what is shown. Markdown, CSV and rich then need a
little more. HTML does not: the templates escape all texts. In charts, names are values of
parameters, and never the names of fields, keys or parts of an expression.
"""

from typing import Any
from unicodedata import bidirectional, category, combining

# Markdown would take these for markup, wherever they stand.
MARKUP = "\\|<>[]*_`~#&$"
# A spreadsheet computes a cell that begins so.
FORMULA = tuple("=+-@\t\r")
# They part and join letters, as in Persian and Hindi, and have no width.
JOINERS, VIRAMA = "\u200c\u200d", 9


def visible(text: str) -> str:
    r"""The text in one line, with an escape in place of each character that shows nothing.

    Such are control characters, among them the ones that command a terminal, characters of no
    width or that turn the direction of a text, and halves of surrogate pairs, which no file can
    hold. Letters of all scripts and single emoji stay. Spaces of other widths become plain ones.

    Example:

    >>> print(visible("a\x1b[31mb"))
    a\x1b[31mb
    """
    if text.isprintable():
        return text
    return "".join(_visible(text, place) for place in range(len(text)))


def _visible(text: str, place: int) -> str:
    letter = text[place]
    if category(letter) == "Zs":
        return " "
    return letter if letter.isprintable() or _joins(text, place) else repr(letter)[1:-1]


def _joins(text: str, place: int) -> bool:
    """Whether a joiner stands where it shapes letters (RFC 5892, appendices A.1 and A.2)."""
    before, after = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    if text[place] not in JOINERS or not before or not after:
        return False
    # Arabic letters, or one behind the sign that takes the vowel from a letter of India.
    return combining(before) == VIRAMA or bidirectional(before) == bidirectional(after) == "AL"


def all_visible(value: Any) -> Any:
    """A value of JSON with each text in it made visible, keys of dictionaries included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {all_visible(key): all_visible(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(all_visible, value))
    return value


def in_one_line(message: object) -> str:
    """A message for the terminal: its lines joined, and visible."""
    return visible(" ".join(str(message).splitlines()))


def in_markdown(text: str) -> str:
    """The text, escaped so that Markdown shows it as it is."""
    return "".join(f"\\{each}" if each in MARKUP else each for each in visible(text))


def in_csv(cell: Any) -> Any:
    """The cell; a text that a spreadsheet would take for a formula gets an apostrophe in front.

    Numbers stay numbers (OWASP, CSV Injection).
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
