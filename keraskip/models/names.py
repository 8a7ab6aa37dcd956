"""Names that Keras and its backends can take."""

import re

# TensorFlow's rules for the name of an outermost scope, and of one inside (`tf.Graph.name_scope`).
OUTER, INNER = r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", r"[A-Za-z0-9_.\\/>-]+"
RULE = (
    "of letters from A to Z, digits, _, -, ., > and slashes, and a model's must not begin with "
    "_, - or >"
)


def plain(name: str) -> str:
    """The name with underscores in place of what scopes cannot have, and of slashes, which nest."""
    return re.sub(r"[^A-Za-z0-9_.>-]", "_", name)


def check_names(name: str | None, prefix: str) -> None:
    """Refuses names of the model and its layers that Keras or a backend cannot take."""
    for argument, value in {"name": name, "prefix": prefix}.items():
        if not isinstance(value, str) and not (argument == "name" and value is None):
            raise TypeError(f"{argument} must be a string. Received: {argument}={value!r}")
    if name is not None and not (re.fullmatch(OUTER, name) and name == plain(name)):
        near = plain(name).lstrip("_->") or None
        raise ValueError(
            "name must be of letters from A to Z, digits, _, -, . and >, and begin with a letter, "
            f"a digit or a dot, as TensorFlow asks for. Received: name={name!r} (nearest: {near!r})"
        )
    if prefix and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", prefix):
        near = re.sub(r"[^A-Za-z0-9_-]", "_", prefix).lstrip("_-")
        raise ValueError(
            "prefix must be of letters, digits, _ and -, and begin with a letter or a digit. "
            f"Received: prefix={prefix!r} (nearest: {near!r})"
        )
