"""Loads a .keras file, and one that brings code of its own only if the user trusts it."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

# The module of a class that was defined where Python began.
SCRIPT = "__main__"
# The packages whose classes a file may name.
KNOWN = {"builtins", "keras", "keras_cv", "keras_hub", "keras_nlp", "keraskip"}


@dataclass(frozen=True)
class Code:
    """Code that a file brings, or a class or function that it takes from elsewhere.

    Attributes:
        what: what it is, in words.
        module: the module to import it from; None if the file itself has the code.
        name: its name there.
        registered: the name by which the file refers to it.
    """

    what: str
    module: str | None = None
    name: str = ""
    registered: str = ""


def load(file: str | Path, trust: bool) -> "keras.Model":
    """The model of a .keras file, as it predicts.

    Args:
        file: the file.
        trust: whether code in the file may run, and modules that it names may be imported.

    Raises:
        ValueError: for a file with code that is not trusted, or that cannot be imported.
        OSError: for a file that cannot be read.
    """
    from keraskip.models.loading import load_model

    found = list(dict.fromkeys(_code_in(Path(file))))
    if scripts := [each.what for each in found if each.module == SCRIPT]:
        raise ValueError(
            f"The file needs {'; '.join(scripts)}, which no module has: define it in a module, "
            "with keras.saving.register_keras_serializable, and save the model again. "
            f"Received: {file}"
        )
    if found and not trust:
        raise ValueError(
            f"Loading this file would run code: {'; '.join(each.what for each in found)}. "
            f"--trust allows that, for a file of your own. Received: {file}"
        )
    own = {each.registered: _imported(each) for each in found if each.module}
    return load_model(file, custom_objects=own, compile=False, safe_mode=not trust)


def _code_in(file: Path) -> Iterator[Code]:
    from keraskip.models.archives import read_config

    config = read_config(file)
    # Loss and metrics are not loaded.
    yield from _found({**config, "compile_config": None})


def _found(node: Any) -> Iterator[Code]:
    """The code that a part of a configuration asks for."""
    if isinstance(node, list):
        for each in node:
            yield from _found(each)
    elif isinstance(node, dict):
        yield from _own_code(node)
        for each in node.values():
            yield from _found(each)


def _own_code(node: dict[str, Any]) -> Iterator[Code]:
    name, module = node.get("class_name"), node.get("module")
    config = node.get("config")
    if name == "Lambda":
        label = config.get("name") if isinstance(config, dict) else None
        yield Code(f"a Lambda layer, {label!r}")
    elif {*node} == {"value"} and isinstance(node["value"], list) and len(node["value"]) == 3:
        # The code, defaults and closure of a lambda that is no layer, such as an activation.
        yield Code("a lambda as an activation", SCRIPT)
    elif module is None and isinstance(name, str) and node.get("registered_name"):
        yield Code(f"{name!r} of a script", SCRIPT, name)
    elif isinstance(module, str) and module.partition(".")[0] not in KNOWN:
        name = config if name == "function" else name
        registered = node.get("registered_name") or name
        yield Code(f"{name!r} of the module {module!r}", module, str(name), str(registered))


def _imported(code: Code) -> Any:
    """The class or function, from a module in the working directory or installed."""
    sys.path.append("")
    try:
        return getattr(importlib.import_module(str(code.module)), code.name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"The file needs {code.what}, which must be installed or lie in the working "
            f"directory. Received: {error}"
        ) from None
    finally:
        sys.path.remove("")
