"""The script of a page is joined with its libraries once, and kept."""

import pytest
import vl_convert

from keraskip.report.bundle import bundled


@pytest.fixture
def bundles(tmp_path, monkeypatch):
    """What was joined so far."""
    made = []

    def join(source):
        made.append(source)
        return f"libraries 名 {source}"

    monkeypatch.setattr(vl_convert, "javascript_bundle", join)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def kept(tmp_path):
    return list((tmp_path / "cache" / "keraskip").iterdir())


def test_a_script_is_joined_once_for_each_version(bundles, monkeypatch, tmp_path):
    assert bundled("draw()") == bundled("draw()") == "libraries 名 draw()"
    assert len(bundles) == len(kept(tmp_path)) == 1
    bundled("other()")
    monkeypatch.setattr("keraskip.report.bundle.metadata.version", lambda name: "999")
    bundled("draw()")
    assert len(bundles) == len(kept(tmp_path)) == 3


def test_a_damaged_file_is_made_anew(bundles, tmp_path):
    first = bundled("draw()")
    (file,) = kept(tmp_path)
    for damage in (b"", b"\xff\n", file.read_bytes()[:-3]):
        file.write_bytes(damage)
        assert bundled("draw()") == first
    assert len(bundles) == 4
    assert bundled("draw()") == first
    assert len(bundles) == 4


def test_a_cache_that_cannot_be_written_is_ignored(bundles, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    assert bundled("draw()") == bundled("draw()")
    assert len(bundles) == 2
