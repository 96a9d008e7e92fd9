"""Test what fpack puts into a tree before its first maintainer script runs."""

from __future__ import annotations

from fpack.builders.configure import seed


def test_units_are_enabled_only_for_a_tree_with_systemd() -> None:
    files = {"usr/bin/deb-systemd-helper", "usr/bin/deb-systemd-invoke", "usr/bin/mandb", "usr/bin/other"}
    assert seed.stubs(files) == sorted(files - {"usr/bin/other"})
    assert seed.stubs({*files, "usr/lib/systemd/systemd"}) == ["usr/bin/mandb"]
