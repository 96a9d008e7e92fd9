"""The extensions of PHP are enabled in roots where no maintainer scripts run."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archives.debs import file, folder, symlink
from support.images.small_images import configured
from support.stores.fake_roots import Made, Roots
from support.stores.task import FakeStore


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    roots = Roots(FakeStore(tmp_path / "root"))
    for program in ("cli", "fpm"):
        roots.package(f"php8.4-{program}", folder(f"./etc/php/8.4/{program}/conf.d"), seed=True)
    roots.package("php8.3-cli", folder("./etc/php/8.3/cli/conf.d"), seed=True)
    settings = file("./usr/share/php8.4-xml/xml/xml.ini", "; settings\n; priority=15\nextension=xml.so\n")
    roots.package("php8.4-xml", settings, folder("./etc/php/8.4/mods-available"), seed=True)
    roots.package("php8.4-redis", file("./etc/php/8.4/mods-available/redis.ini", "extension=redis.so\n"), seed=True)
    return roots


def _links(made: Made) -> dict[str, str]:
    return {path: entry.target for path, entry in made.entries.items() if path.startswith("etc/php/") and entry.target}


def test_each_program_of_its_version_gets_them_by_priority(roots: Roots) -> None:
    made = roots.build()
    assert _links(made) == {
        f"etc/php/8.4/{program}/conf.d/{name}": f"/etc/php/8.4/mods-available/{name[3:]}"
        for program in ("cli", "fpm")
        for name in ("15-xml.ini", "20-redis.ini")
    }
    copy = made.data / "etc/php/8.4/mods-available/xml.ini"
    assert copy.read_text().endswith("extension=xml.so\n")
    assert not (made.data / "etc/php/8.4/mods-available/redis.ini").exists(), "the package has it"


def test_links_of_packages_stay(roots: Roots) -> None:
    roots.package("php8.4-own", symlink("./etc/php/8.4/cli/conf.d/15-xml.ini", "/dev/null"), seed=True)
    assert "etc/php/8.4/cli/conf.d/15-xml.ini" not in _links(roots.build())


def test_scripts_that_run_enable_them(roots: Roots) -> None:
    made = roots.build(configured=str(configured(roots.store, {"etc/new": ("php8.4-xml", b"new")})))
    assert _links(made) == {}
    assert _links(roots.build(before_scripts=True)) == {}, "scripts would find nothing to do"


def test_a_root_without_programs_has_none(tmp_path: Path) -> None:
    roots = Roots(FakeStore(tmp_path / "other"))
    roots.package("php8.4-xml", file("./usr/share/php8.4-xml/xml/xml.ini", "extension=xml.so\n"), seed=True)
    assert not [path for path in roots.build().entries if path.startswith("etc/php")]
