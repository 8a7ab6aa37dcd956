"""Skip connections in Keras: the networks, what their gradients do, and reports of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keraskip.callbacks.hook.recorder import GradientRecorder
    from keraskip.export.artefact.opened import Artefact
    from keraskip.export.errors import ExportError
    from keraskip.export.exporters import (
        export_litert,
        export_onnx,
        export_openvino,
        export_savedmodel,
    )
    from keraskip.export.network.folding import fold_batch_norm
    from keraskip.export.network.preprocessing import Preprocessing
    from keraskip.models.anatomy import anatomy
    from keraskip.models.densenet import build_densenet
    from keraskip.models.description import describe
    from keraskip.models.features import features
    from keraskip.models.loading import load_model
    from keraskip.models.residual import build_plain, build_resnet
    from keraskip.models.skips import add_skips
    from keraskip.models.zoo import build, list_models
    from keraskip.report.comparison import Comparison, compare
    from keraskip.runs import Run, load_run
    from keraskip.study import run_study

__version__ = "0.1.0"

# Each name's module is imported on first use, so that `import keraskip` loads no framework.
_HOMES = {
    "GradientRecorder": "keraskip.callbacks.hook.recorder",
    "Artefact": "keraskip.export.artefact.opened",
    "ExportError": "keraskip.export.errors",
    "Preprocessing": "keraskip.export.network.preprocessing",
    "export_litert": "keraskip.export.exporters",
    "export_onnx": "keraskip.export.exporters",
    "export_openvino": "keraskip.export.exporters",
    "export_savedmodel": "keraskip.export.exporters",
    "fold_batch_norm": "keraskip.export.network.folding",
    "anatomy": "keraskip.models.anatomy",
    "features": "keraskip.models.features",
    "load_model": "keraskip.models.loading",
    "build_densenet": "keraskip.models.densenet",
    "build_plain": "keraskip.models.residual",
    "build_resnet": "keraskip.models.residual",
    "add_skips": "keraskip.models.skips",
    "build": "keraskip.models.zoo",
    "describe": "keraskip.models.description",
    "list_models": "keraskip.models.zoo",
    "Comparison": "keraskip.report.comparison",
    "compare": "keraskip.report.comparison",
    "Run": "keraskip.runs",
    "load_run": "keraskip.runs",
    "run_study": "keraskip.study",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'keraskip' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def load_ipython_extension(shell: Any) -> None:
    """Adds the cell magic `%%record` to a notebook, by `%load_ext keraskip`."""
    from keraskip.scripts.notebook import register

    register(shell)
