"""A report is written whole or not at all."""

import os
import stat
import subprocess
import sys
import threading

import pytest
from damaged_runs import small_run

from keraskip.report.comparison import PICTURES, WRITTEN, compare
from keraskip.report.replacing import check_place, replace_file

KINDS = (*WRITTEN, *PICTURES)
# Fails with an OSError where it writes more bytes than are allowed, as on a full disk.
FULL = """
import resource, signal, sys
from keraskip.report.comparison import compare
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
comparison = compare(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
for path in sys.argv[2:]:
    try:
        comparison.save(path)
    except OSError:
        continue
    sys.exit(f"{path} was written")
"""


@pytest.fixture
def run(tmp_path):
    small_run(tmp_path / "run")
    return tmp_path / "run"


def test_a_full_disk_leaves_the_earlier_report(tmp_path, run):
    pytest.importorskip("resource", reason="the size of files has no limit here")
    out = tmp_path / "out"
    out.mkdir()
    paths = [out / f"report{kind}" for kind in KINDS]
    for path in paths:
        path.write_text("earlier")
    subprocess.run([sys.executable, "-c", FULL, run, *paths], check=True, timeout=600)
    assert sorted(out.iterdir()) == sorted(paths)
    assert {path.read_text() for path in paths} == {"earlier"}


def test_two_reports_at_once_are_whole(tmp_path):
    path, texts = tmp_path / "report.html", [bytes([65 + n]) * 10**6 for n in range(2)]
    writers = [
        threading.Thread(target=lambda text=text: [replace_file(path, text) for _ in range(20)])
        for text in texts
    ]
    replace_file(path, texts[0])
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in texts
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_report_keeps_links_and_permissions(tmp_path, run):
    path, link = tmp_path / "report.csv", tmp_path / "link.csv"
    link.symlink_to(path)
    compare(run).save(path)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    path.write_text("earlier")
    compare(run).save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_text() != "earlier"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_only_a_file_is_replaced(tmp_path, run):
    """A pipe with a name would wait for its reader; one without is as a device."""
    pipe, folder, stdout = (tmp_path / f"{name}.json" for name in ("pipe", "folder", "stdout"))
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder):
        with pytest.raises(ValueError, match=r"A report is a file. Received: .*which is none"):
            compare(run).save(path)
    reader, writer = os.pipe()
    stdout.symlink_to(f"/dev/fd/{writer}")
    check_place(stdout)
    replace_file(stdout, b"through")
    assert os.read(reader, 9) == b"through"
    os.close(reader)
    os.close(writer)


def test_a_name_may_be_as_long_as_any(tmp_path):
    path = tmp_path / ("a" * 250 + ".json")
    replace_file(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_the_draft_of_a_killed_process_goes_with_a_later_report(tmp_path):
    old, new = (tmp_path / f".keraskip.{name}.draft" for name in ("old", "new"))
    for draft in (old, new):
        draft.touch()
    os.utime(old, (0, 0))
    replace_file(tmp_path / "report.md", b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([new, tmp_path / "report.md"])


KILLED = """
import os, sys
from keraskip.report.comparison import compare
comparison = compare(sys.argv[1])
print("ready", flush=True)
while True:
    comparison.save(sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows kills otherwise")
def test_a_killed_report_leaves_the_older_or_the_newer(tmp_path, run):
    path = tmp_path / "report.json"
    compare(run).save(path)
    newer = path.read_bytes()
    for number in range(20):
        path.write_text("older")
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, run, path], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.004 * number)
        child.kill()
        child.wait()
        child.stdout.close()
        assert path.read_bytes() in (b"older", newer)
