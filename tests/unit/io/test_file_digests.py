"""Digests of the user's files: right whatever the dates, and not computed again without need."""

import hashlib
import json
import os
import shutil
import sys

import pytest

from galcen.io import file_digests
from galcen.io.file_digests import MISSING, content_digest, module_file


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table, its cache, and a count of the times that it was read."""
    read = []

    def counted(path):
        read.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(file_digests, "file_sha256", counted)
    monkeypatch.setattr(file_digests, "RECENT_SECONDS", -1.0)
    (tmp_path / "stars.csv").write_text("ra,dec\n1,2\n")
    return tmp_path / "stars.csv", tmp_path / "cache/digests.json", read


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_unchanged_file_is_read_once(table):
    """Also by the next process, which has the cache alone."""
    path, cache, read = table
    assert content_digest(path, cache) == content_digest(path, cache) == sha256(path)
    file_digests._read.cache_clear()
    assert content_digest(path, cache) == sha256(path)
    assert len(read) == 1


@pytest.mark.parametrize("how", ["copy", "move", "in place"])
def test_a_replaced_file_is_noticed_whatever_its_date(table, tmp_path, how):
    """`cp -p`, `mv` or an edit of a corrected table of the same size, which has an older date or the same."""
    path, cache, _ = table
    before, date = content_digest(path, cache), path.stat().st_mtime_ns
    corrected = tmp_path / "corrected.csv"
    corrected.write_text("ra,dec\n1,3\n")
    for age in (0, 10**16):
        os.utime(corrected, ns=(date - age, date - age))
        if how == "copy":
            shutil.copy2(corrected, path)
        elif how == "move":
            shutil.copy2(corrected, tmp_path / "moved.csv")
            (tmp_path / "moved.csv").rename(path)
        else:
            path.write_text(corrected.read_text())
            os.utime(path, ns=(date, date))
        assert content_digest(path, cache) == sha256(corrected) != before


def test_a_touched_file_has_the_same_digest(table):
    """Nothing runs again for a new date alone."""
    path, cache, read = table
    before = content_digest(path, cache)
    path.touch()
    assert content_digest(path, cache) == before
    assert len(read) == 2


def test_a_file_that_has_just_been_written_is_not_trusted(table, monkeypatch):
    """Clocks of file systems are coarse: a second change might leave no trace."""
    path, cache, read = table
    monkeypatch.setattr(file_digests, "RECENT_SECONDS", 60.0)
    content_digest(path, cache)
    content_digest(path, cache)
    assert len(read) == 2


def test_a_missing_file_and_a_bad_cache_are_no_errors(table, tmp_path):
    """Snakemake names a missing input; a cache may be lost, damaged or not to be written."""
    path, cache, _ = table
    assert content_digest(tmp_path / "none.csv", cache) == MISSING
    for text in ("", "[1]", "{", json.dumps({str(path): 3})):
        cache.parent.mkdir(exist_ok=True)
        cache.write_text(text)
        file_digests._read.cache_clear()
        assert content_digest(path, cache) == sha256(path)
    assert content_digest(path, path / "no/folder.json") == sha256(path)


def test_modules_are_found_without_being_imported(tmp_path, monkeypatch):
    """Also inside a package; nothing of them runs."""
    (tmp_path / "mypackage").mkdir()
    for name in ("mypackage/__init__.py", "mypackage/terms.py", "plainterms.py"):
        (tmp_path / name).write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert module_file("plainterms") == tmp_path / "plainterms.py"
    assert module_file("mypackage.terms") == tmp_path / "mypackage/terms.py"
    assert module_file("mypackage.none") is module_file("nothere") is None
    assert not {"mypackage", "plainterms"} & set(sys.modules)
