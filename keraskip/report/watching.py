"""Writes a page anew while its runs go on."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from keraskip.report.comparison import Comparison, compare
from keraskip.report.page import as_html
from keraskip.report.replacing import check_place, replace_file
from keraskip.runs import INFO_FILE, STEPS_FILE, find_runs, opened

# The page is written when there is something new, and loads itself anew as often.
SECONDS = 3
# A run that has written nothing for as long was killed, though it says that it goes on.
DEAD_AFTER = 600
# A study or a script may go on to its next run: looks without one that goes on, before the end.
LAST_LOOKS = 20


def watch(paths: Sequence[Path], out: Path) -> tuple[Comparison, list[str]]:
    """Writes the page of runs anew until all of them have ended.

    The open page loads itself anew meanwhile, and keeps what its reader set. In a folder of
    runs, later runs count, too: the watch ends a minute after the last one. A run that wrote
    nothing for ten minutes counts as ended. Where there is no run yet, the watch waits for one: the
    page may be asked for before the training begins.

    Args:
        paths: run folders, or folders of run folders.
        out: the page.

    Returns:
        The comparison of the ended runs, and why runs were left out.

    Raises:
        NotADirectoryError: if there is no folder for the page, or a path is of a file.
        ValueError: if there are runs, and none of them can be read.
    """
    check_place(out)
    while not _have_begun(paths):
        time.sleep(SECONDS)
    looks = _Looks(paths, out)
    try:
        while not looks.is_over:
            time.sleep(SECONDS)
            # A run that begins anew has no files for a moment.
            with suppress(FileNotFoundError):
                looks.look()
    finally:
        # Also after Ctrl-C nothing loads itself anew for ever.
        replace_file(out, as_html(looks.comparison).encode("utf-8"))
    return looks.comparison, looks.reasons


def _have_begun(paths: Sequence[Path]) -> bool:
    """Whether there is a run in each of the paths that can be read; an error for a file."""
    for path in paths:
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"A run is a folder. Received: {str(path)!r}")
    with suppress(FileNotFoundError):
        return bool(opened(find_runs(paths))[0])
    return False


class _Looks:
    """What was seen of the runs so far; the first look is taken at once."""

    def __init__(self, paths: Sequence[Path], out: Path) -> None:
        self._paths, self._out = paths, out
        self._seen: dict[Path, int] = {}
        self._quiet = 0
        self.look()

    @property
    def is_over(self) -> bool:
        """Whether no run goes on, and none is going to begin."""
        are_all = all((path / INFO_FILE).is_file() for path in self._paths)
        return self._quiet > (0 if are_all else LAST_LOOKS)

    def look(self) -> None:
        """Writes the page if there is something new."""
        runs = find_runs(self._paths)
        # Before they are read: what is written meanwhile is news the next time.
        now = {file: file.stat().st_mtime_ns for file in _files(runs)}
        if now != self._seen:
            readable, self.reasons = opened(runs)
            self._seen, self.comparison = now, compare(*readable)
            page = as_html(self.comparison, reload_after=SECONDS)
            replace_file(self._out, page.encode("utf-8"))
        goes_on = any(run.info.get("status") == "running" for run in self.comparison.runs)
        is_fresh = time.time() - max(now.values()) / 1e9 < DEAD_AFTER
        self._quiet = 0 if goes_on and is_fresh else self._quiet + 1


def _files(runs: Sequence[Path]) -> list[Path]:
    files = [run / name for run in runs for name in (INFO_FILE, STEPS_FILE)]
    return [file for file in files if file.exists()]
