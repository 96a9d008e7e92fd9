"""The ids of a user namespace for maintainer scripts, and what is said where there are none."""

from __future__ import annotations

import pytest
from fpack.builders.configure import ids
from fpack.builders.sandbox.bwrap import SandboxError


def test_ranges_of_root_are_none_of_root_and_within_its_ids() -> None:
    whole = ids._root_ranges("         0          0 4294967295\n")
    assert len(whole) == 256 and whole[0] == (1_000_000_000, 65536)
    assert all(one[0] + one[1] == other[0] for one, other in zip(whole, whole[1:], strict=False))
    assert ids._root_ranges("0 1000 1\n1 100000 65536\n") == [(1, 65535)]
    assert ids._root_ranges("0 100000 65536\n") == [(1, 65535)]
    assert ids._root_ranges("0 1000 1\n") == [] and ids._root_ranges("0 100000 60000\n") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ann:100000:65536\n", (100000, 65536)),
        ("bob:1:65536\n1000:200000:65536\n", (200000, 65536)),
        ("ann:100000:1000\nann:300000:70000\n", (300000, 70000)),
        ("ann:100000\nann:x:y\nann:0:65536\n:1:2\n", None),
        ("", None),
    ],
)
def test_ranges_of_a_user(text: str, found: tuple[int, int] | None) -> None:
    assert ids.subordinate(text, "ann", 1000) == found


def test_a_user_without_a_range_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.os, "geteuid", lambda: 1234567)
    monkeypatch.setattr(ids.os, "getuid", lambda: 1234567)
    with pytest.raises(SandboxError) as caught, ids.id_maps(lambda: None):
        pass
    assert caught.value.where == "/etc/subuid" and "configure = false" in caught.value.hint
    assert "usermod" in caught.value.hint


def test_root_with_too_few_ids_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.os, "geteuid", lambda: 0)
    monkeypatch.setattr(ids, "_root_ranges", lambda table: [])
    with pytest.raises(SandboxError) as caught, ids.id_maps(lambda: None):
        pass
    assert "configure = false" in caught.value.hint
