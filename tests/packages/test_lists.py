"""The lists of packages are as drawn, and the draw leaves out what has no command."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from packages import draw
from packages.cases import SERVER, read

HERE = Path(__file__).parent
HUNDREDS = [("packages", 13), ("second", 14)]
SEEDS = [*HUNDREDS, ("third", 15)]


def package(
    name: str, section: str = "utils", depends: str = "libc6", programs: str = "usr/bin/a", units: str = ""
) -> draw.Package:
    return draw.Package(name, section, *(frozenset(text.split()) for text in (depends, programs, units)))


def test_a_program_is_in_a_path_and_needs_no_screen() -> None:
    assert draw.is_program(package("jq"))
    assert not draw.is_program(package("jq", programs=""))
    assert not draw.is_program(package("jq", section="libs"))
    assert not draw.is_program(package("jq-doc"))
    assert not draw.is_program(package("xterm", depends="libc6 libx11-6"))


def test_a_server_has_a_unit() -> None:
    unit = "usr/lib/systemd/system/a.service"
    assert draw.is_server(package("redis-server", section="database", units=unit))
    assert not draw.is_server(package("redis-server", section="database"))
    assert not draw.is_server(package("thermald", section="admin", units=unit))


def test_a_draw_depends_on_the_seed_alone() -> None:
    packages = {f"p{number}": package(f"p{number}") for number in range(300)}
    ranking = list(packages)
    first = draw.draw(1, "program", "trixie", ranking, packages)
    assert first == draw.draw(1, "program", "trixie", ranking, packages)
    assert first != draw.draw(2, "program", "trixie", ranking, packages)
    assert len(set(first)) == draw.PLAN["program", "trixie"]


@pytest.mark.parametrize("name", [name for name, _seed in HUNDREDS])
def test_the_list_has_a_hundred_packages(name: str) -> None:
    cases, skipped = read(HERE / f"{name}.toml")
    assert len({(case.release, case.name) for case in cases}) == len(cases) == 100
    assert sum(case.kind == SERVER for case in cases) >= 20
    assert Counter(case.release for case in cases) == {"trixie": 90, "bookworm": 5, "sid": 5}
    assert all(entry.why for entry in skipped)


def test_the_third_list_has_twenty_packages() -> None:
    cases, skipped = read(HERE / "third.toml")
    assert len({(case.release, case.name) for case in cases}) == len(cases) == 20
    assert sum(case.kind == SERVER for case in cases) == 4 and all(entry.why for entry in skipped)


def test_the_named_packages_are_listed() -> None:
    cases, skipped = read(HERE / "named.toml")
    assert len(cases) == 22
    assert not skipped


def test_a_field_among_the_files_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "list.toml"
    listed.write_text('[[package]]\nname = "jq"\ncommand = ["jq"]\nexpect = "jq"\n[package.files]\nnote = "wrong"\n')
    with pytest.raises(ValueError, match="jq: unknown or missing fields"):
        read(listed)


@pytest.mark.network
@pytest.mark.long
@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_the_list_is_the_draw(name: str, seed: int) -> None:
    """Packages leave a release at times; the draw is another then, and the list is drawn again or stays."""
    cases, skipped = read(HERE / f"{name}.toml")
    for (kind, release), names in draw.drawn(seed).items():
        listed = [case.name for case in cases if (case.kind, case.release) == (kind, release)]
        left = {entry.name for entry in skipped if (entry.kind, entry.release) == (kind, release)}
        assert [name for name in names if name not in left][: len(listed)] == listed
