"""Test which target is chosen for each alternative."""

from __future__ import annotations

import pytest
from fpack.builders.protocol import BuildError
from fpack.builders.rootfs.alternatives import choose

MAWK = ["/usr/bin/awk", "awk", "/usr/bin/mawk", 5, [["/usr/bin/nawk", "nawk", "/usr/bin/mawk"]]]
GAWK = ["/usr/bin/awk", "awk", "/usr/bin/gawk", 10, []]


def everything(path: str) -> bool:
    return True


def test_the_highest_priority_wins_in_any_order() -> None:
    assert (
        choose([MAWK, GAWK], everything, {}) == choose([GAWK, MAWK], everything, {}) == {"usr/bin/awk": "/usr/bin/gawk"}
    )


def test_slaves_follow_their_master() -> None:
    assert choose([MAWK], everything, {}) == {"usr/bin/awk": "/usr/bin/mawk", "usr/bin/nawk": "/usr/bin/mawk"}
    assert "usr/bin/nawk" in choose([MAWK, GAWK], everything, {"/usr/bin/awk": "/usr/bin/mawk"})


def test_a_target_that_is_not_there_is_no_choice() -> None:
    assert choose([MAWK, GAWK], lambda path: "gawk" not in path, {})["usr/bin/awk"] == "/usr/bin/mawk"
    assert choose([MAWK], lambda path: False, {}) == {}


def test_manual_pages_are_left_out() -> None:
    page = ["/usr/share/man/man1/awk.1.gz", "awk.1.gz", "/usr/share/man/man1/mawk.1.gz"]
    assert choose([[*MAWK[:4], [page]]], everything, {}) == {"usr/bin/awk": "/usr/bin/mawk"}


def test_places_are_merged() -> None:
    assert choose([["/lib/cpp", "cpp", "/bin/cpp", 10, []]], everything, {}) == {"usr/lib/cpp": "/usr/bin/cpp"}


def test_an_override_names_any_program() -> None:
    assert choose([GAWK], everything, {"/usr/bin/awk": "/opt/awk", "/usr/bin/x": "/bin/y"}) == {
        "usr/bin/awk": "/opt/awk",
        "usr/bin/x": "/usr/bin/y",
    }


def test_an_override_that_is_not_there() -> None:
    with pytest.raises(BuildError) as caught:
        choose([MAWK, GAWK], lambda path: "gawk" not in path, {"/usr/bin/awk": "/usr/bin/gawk"})
    assert "/usr/bin/gawk" in caught.value.what
    assert "/usr/bin/mawk" in caught.value.why


def test_a_link_to_itself_is_nothing() -> None:
    assert choose([["/bin/x", "x", "/usr/bin/x", 1, []]], everything, {}) == {}
