"""Test what the globs of slice rules match."""

from __future__ import annotations

import time

import pytest
from fpack.builders.payload.globs import Globs, merged, nearest
from fpack.builders.protocol import BuildError


@pytest.mark.parametrize(
    ("glob", "path", "covers"),
    [
        ("/usr/bin/psql", "usr/bin/psql", True),
        ("/usr/bin/psql", "usr/bin/psql2", False),
        ("/usr/bin", "usr/bin/psql", True),
        ("/usr/bin/", "usr/bin/psql", True),
        ("/usr/bin", "usr/binary", False),
        ("/usr/bin/*", "usr/bin/psql", True),
        ("/usr/*/psql", "usr/bin/psql", True),
        ("/usr/*", "usr/bin/psql", True),
        ("/*/psql", "usr/bin/psql", False),
        ("/usr/bin/p?ql", "usr/bin/psql", True),
        ("/usr/bin/p?ql", "usr/bin/p/ql", False),
        ("/usr/lib/*.a", "usr/lib/x.a", True),
        ("/usr/lib/*.a", "usr/lib/sub/x.a", False),
        ("/usr/lib/**/*.a", "usr/lib/x.a", True),
        ("/usr/lib/**/*.a", "usr/lib/a/b/x.a", True),
        ("/usr/lib/**/*.a", "usr/lib/a/b/x.so", False),
        ("/**/man", "usr/share/man/man1/x", True),
        ("/**/*.pyc", "x.pyc", True),
        ("/usr/share/**", "usr/share/a/b", True),
        ("/usr/share/**", "usr/share", False),
        ("/usr/**/**/x", "usr/x", True),
        ("/usr/bin/[", "usr/bin/[", True),
        ("/usr/bin/[ab]", "usr/bin/a", False),
        ("/usr/bin/a.b", "usr/bin/axb", False),
        ("/bin/ls", "usr/bin/ls", True),
        ("/lib/**/x.so", "usr/lib/y/x.so", True),
        ("/usr/bin/a\nb", "usr/bin/a\nb", True),
    ],
)
def test_matching(glob: str, path: str, covers: bool) -> None:
    assert Globs([glob]).covers(path) is covers


def test_no_globs_match_nothing() -> None:
    assert not Globs([]).covers("usr/bin/x")


@pytest.mark.parametrize("glob", ["usr/bin", "", "/", "/usr//bin", "/usr/../etc", "/./usr", "*"])
def test_what_is_no_glob(glob: str) -> None:
    with pytest.raises(BuildError, match="pattern"):
        Globs([glob])


def test_globs_that_match_nothing_are_known() -> None:
    paths = ["usr/bin/psql", "usr/lib/x.so", "usr/share/doc/x"]
    globs = Globs(["/usr/bin/*", "/usr/bin/psql", "/usr/bin/createdb", "/usr/share", "/opt"])
    for path in paths:
        globs.covers(path)
    assert globs.unused(paths) == ["/usr/bin/createdb", "/opt"]


def test_the_nearest_paths() -> None:
    paths = ["usr/bin/psql", "usr/lib/postgresql/17/bin/psql", "usr/bin/createdb"]
    assert nearest("/usr/local/bin/psql", paths) == ["/usr/bin/psql", "/usr/lib/postgresql/17/bin/psql"]
    assert nearest("/usr/bin/pgsql", paths)[0] == "/usr/bin/psql"
    assert nearest("/zzzz/qqqq", paths) == []


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("bin/sh", "usr/bin/sh"),
        ("lib64/x", "usr/lib64/x"),
        ("lib", "usr/lib"),
        ("library/x", "library/x"),
        ("usr/bin/x", "usr/bin/x"),
    ],
)
def test_merged_usr(path: str, place: str) -> None:
    assert merged(path) == place


def test_many_stars_take_no_time() -> None:
    globs = Globs(["/" + "**/a/" * 6 + "x", "/usr/" + "*a" * 30])
    start = time.process_time()
    assert not globs.covers("a/" * 60 + "y")
    assert not globs.covers("usr/" + "a" * 100 + "b")
    assert time.process_time() - start < 5
