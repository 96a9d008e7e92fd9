"""dpkg's database of a root, as dpkg itself reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from fpack.builders.payload import meta
from support.archives.debs import file, folder
from support.stores.fake_roots import Made, Roots
from support.stores.task import FakeStore


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    found = Roots(FakeStore(tmp_path / "root"))
    found.package(
        "dpkg", file("./usr/bin/dpkg", "x", 0o755), folder("./var/lib/dpkg/updates", 0o755), seed=True, Maintainer="A"
    )
    items = [file("./lib/libapp.so", "library"), file("./etc/app.conf", "c"), file("./usr/share/doc/app/x", "x")]
    found.package("libapp", *items, seed=True, Multi_Arch="same", Maintainer="A")
    return found


def query(made: Made, *words: str) -> str:
    if shutil.which("dpkg-query") is None:
        pytest.skip("needs dpkg-query")
    done = subprocess.run(
        ["dpkg-query", f"--admindir={made.data}/var/lib/dpkg", *words], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout


def test_dpkg_reads_it(roots: Roots) -> None:
    roots.drop = ["/usr/share/doc"]
    made = roots.build(database=True)
    assert query(made, "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n") == (
        "dpkg 1.0-1 installed\nlibapp 1.0-1 installed\n"
    )
    assert query(made, "-L", "libapp").split() == [
        "/.", "/etc", "/etc/app.conf", "/usr", "/usr/lib", "/usr/lib/libapp.so"
    ]  # fmt: skip
    assert query(made, "-S", "/usr/lib/libapp.so").startswith("libapp:amd64: ")


def test_digests_are_those_of_files_that_are_no_configuration(roots: Roots) -> None:
    made = roots.build(database=True)
    sums = (made.data / "var/lib/dpkg/info/libapp:amd64.md5sums").read_text()
    assert sums.startswith("d521f765a49c72507257a2620612ee96  usr/lib/libapp.so\n") and "app.conf" not in sums
    assert made.entries["var/lib/dpkg/triggers"].kind == meta.DIRECTORY
    assert "var/lib/dpkg/updates" not in made.entries, "a package has it"


def test_a_file_of_another_package_is_not_listed(roots: Roots) -> None:
    roots.package("other", file("./lib/libapp.so", "another"), seed=True, Replaces="libapp")
    made = roots.build(database=True)
    info = made.data / "var/lib/dpkg/info"
    assert "libapp.so" in (info / "other.list").read_text()
    assert "libapp.so" not in (info / "libapp:amd64.list").read_text()


def test_roots_without_dpkg_have_none(tmp_path: Path, roots: Roots) -> None:
    assert not any(path.startswith("var/lib/dpkg") for path in roots.build().entries)
    alone = Roots(FakeStore(tmp_path / "alone"))
    alone.package("app", file("./usr/bin/app", "x", 0o755), seed=True)
    assert not any(path.startswith("var/lib/dpkg") for path in alone.build(database=True).entries)
