"""The part of a lock that goes into a manifest."""

from __future__ import annotations

from fpack.builders.debian.lock.records import Lock, PackagePin, SuitePin
from fpack.builders.debian.suites import IndexPin, SuiteFile
from fpack.builders.manifest import lock_part

SHA256 = "ab" * 32


def _lock() -> Lock:
    lock = Lock()
    for release in ("trixie", "bookworm"):
        lock.suites[release, release] = SuitePin(release, release, "debian", 1, None, SHA256)
        for arch in ("amd64", "arm64"):
            lock.indexes[release, release, arch] = IndexPin(
                SHA256, 5, SuiteFile(f"main/binary-{arch}/Packages.xz", 3, SHA256)
            )
            for name in ("bash", "dash"):
                pin = PackagePin(name, "1", arch, "sh", "2", "debian", 1, 7, SHA256, f"pool/{name}.deb")
                lock.packages[release, arch, name] = pin
    return lock


def test_only_what_was_used_of_one_release_and_architecture_is_in_it() -> None:
    value = lock_part.encode(_lock(), "trixie", "arm64", ["dash", "bash", "zsh"])
    assert [row[0] for row in value["packages"]] == ["bash", "dash"]
    part = lock_part.decode(value, {"dash"})
    assert (part.release, part.arch) == ("trixie", "arm64")
    assert [suite.suite for suite in part.suites] == ["trixie"]
    (index,) = part.indexes
    assert index == ("trixie", SHA256, 5, SHA256, 3, "main/binary-arm64/Packages.xz", "", "")
    (package,) = part.packages
    assert package == _lock().packages["trixie", "arm64", "dash"]


def test_no_lock_is_an_empty_part() -> None:
    assert lock_part.decode(None, {"bash"}) == ("", "", (), (), ())
