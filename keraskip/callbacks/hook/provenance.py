"""Where a run comes from: the facts that a reader needs to judge its numbers and repeat them."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras

from keraskip.machine import processors
from keraskip.versions import versions

PACKAGES = ("keraskip", "keras", "tensorflow", "jax", "torch", "numpy")


def provenance() -> dict[str, Any]:
    """Time, command, versions, device and git commit of this process, as JSON values."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": {"python": platform.python_version(), **versions(PACKAGES)},
        "backend": keras.backend.backend(),
        "device": {
            "platform": platform.platform(),
            "processor": _processor(),
            "cpus": processors(),
            "runs_on": str(keras.ops.zeros(()).device),
        },
        "git": _git_state(),
    }


def _processor() -> str:
    """The processor's name; on Linux `platform` does not know it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git_state() -> dict[str, Any] | None:
    """The working directory's commit and whether files changed; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
