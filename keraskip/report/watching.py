"""Writes a page anew while its runs go on."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from keraskip.report.comparison import Comparison, compare
from keraskip.report.page import as_html
from keraskip.runs import INFO_FILE, STEPS_FILE, find_runs

# The page is written when there is something new, and loads itself anew as often.
SECONDS = 3


def watch(
    paths: Sequence[Path], out: Path, show: Callable[[Comparison], None] = lambda comparison: None
) -> Comparison:
    """Writes the page of runs anew until all of them have ended.

    The open page loads itself anew meanwhile, and keeps what its reader set.

    Args:
        paths: run folders, or folders of run folders; runs that begin later count, too.
        out: the page.
        show: is called with what was written.

    Returns:
        The comparison of the ended runs.
    """
    seen: dict[Path, int] = {}
    while True:
        runs = find_runs(paths)
        # Before they are read: what is written meanwhile is news the next time.
        now = {file: file.stat().st_mtime_ns for file in _files(runs)}
        if now != seen:
            seen, comparison = now, compare(*runs)
            is_live = any(run.info.get("status") == "running" for run in comparison.runs)
            _replace(out, as_html(comparison, reload_after=SECONDS if is_live else None))
            show(comparison)
            if not is_live:
                return comparison
        time.sleep(SECONDS)


def _files(runs: Sequence[Path]) -> list[Path]:
    files = [run / name for run in runs for name in (INFO_FILE, STEPS_FILE)]
    return [file for file in files if file.exists()]


def _replace(out: Path, page: str) -> None:
    """Writes the page beside its old state first: a browser never reads half of it."""
    draft = out.with_name(f".{out.name}.draft")
    draft.write_text(page, encoding="utf-8")
    os.replace(draft, out)
