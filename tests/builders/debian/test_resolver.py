"""Test the choices of the resolver and its error messages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fpack.builders.debian.package import Package, parse_package
from fpack.builders.debian.resolver import Resolution, Unsatisfiable, resolve
from fpack.builders.debian.version import version_key
from hypothesis import given
from hypothesis import strategies as st


class World:
    """A universe in memory. Each argument is a stanza: `name version; Field: value; ...`."""

    arch = "amd64"

    def __init__(self, *texts: str) -> None:
        self.packages = [_package(text) for text in texts]

    def versions(self, name: str) -> Sequence[Package]:
        found = [package for package in self.packages if package.name == name]
        return sorted(found, key=lambda package: version_key(package.version), reverse=True)

    def providers(self, name: str) -> Sequence[Package]:
        found = [p for p in self.packages if any(provided.name == name for provided in p.provides)]
        return sorted(found, key=lambda package: (package.rank, package.name))


def _package(text: str) -> Package:
    head, *fields = text.split("; ")
    name, _, version = head.partition(" ")
    lines = [f"Package: {name}", f"Version: {version or '1'}", "Architecture: amd64", *fields]
    lines += [f"Filename: pool/{name}.deb", "Size: 1", f"SHA256: {'0' * 64}"]
    return parse_package("\n".join(lines), arch="amd64", suite="x", archive="debian")


def chosen(world: World, *names: str) -> str:
    return " ".join(resolve(world, names).packages)


def edges(world: World, *names: str) -> dict[str, str]:
    return {name: " ".join(depends) for name, depends in resolve(world, names).depends.items()}


def failure(world: World, *names: str) -> str:
    with pytest.raises(Unsatisfiable) as caught:
        resolve(world, names)
    return str(caught.value)


def test_depends_and_pre_depends() -> None:
    world = World(
        "a; Depends: b, c (>= 1); Pre-Depends: d; Recommends: e; Suggests: f", "b; Depends: c", "c", "d", "e", "f"
    )
    assert edges(world, "a") == {"a": "b c d", "b": "c", "c": "", "d": ""}


def test_nothing() -> None:
    assert resolve(World("a"), []) == Resolution({}, {})


def test_cycles() -> None:
    world = World("a; Depends: b", "b; Depends: c, a", "c; Depends: a, c")
    assert edges(world, "b") == {"a": "b", "b": "a c", "c": "a"}


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        (("a; Depends: x | y", "x", "y"), "a x"),  # the first
        (("a; Depends: none | x (>= 2) | y", "x 1", "y"), "a y"),  # not one that does not exist or fit
        (("a; Depends: x | y", "x; Depends: none", "y"), "a y"),  # nor one that leads nowhere
        (("a; Depends: v (>= 2)", "v 1", "w; Provides: v (= 2)"), "a w"),  # a provider, if the real one is too old
        (("a; Depends: mta", "mta", "aaa; Provides: mta"), "a mta"),  # else the real one
    ],
)
def test_the_chosen_alternative(packages: tuple[str, ...], expected: str) -> None:
    assert chosen(World(*packages), "a") == expected


def test_an_alternative_that_is_there_already_is_taken() -> None:
    world = World("a; Depends: x | y, b", "b; Depends: y", "x", "y")
    assert edges(world, "a") == {"a": "b y", "b": "y", "y": ""}


def test_a_virtual_package() -> None:
    world = World("a; Depends: awk", "gawk; Provides: awk", "mawk; Provides: awk; Priority: required")
    assert edges(world, "a") == {"a": "mawk", "mawk": ""}


def test_versioned_provides() -> None:
    world = World(
        "a; Depends: v (>= 2)",
        "plain; Provides: v",
        "old; Provides: v (= 1)",
        "right; Provides: v (= 2.5)",
    )
    assert chosen(world, "a") == "a right"
    assert chosen(World("a; Depends: v", "plain; Provides: v"), "a") == "a plain"


def test_qualifiers() -> None:
    world = World("a; Depends: b:any, c:native, d:amd64", "b", "c", "d")
    assert chosen(world, "a") == "a b c d"
    assert "b:i386" in failure(World("a; Depends: b:i386", "b"), "a")


def test_conflicts_choose_the_other_alternative() -> None:
    world = World("a; Depends: b, x | y", "b; Conflicts: x", "x", "y")
    assert chosen(world, "a") == "a b y"
    world = World("a; Depends: b, x | y", "b", "x; Breaks: b (<< 2)", "y")
    assert chosen(world, "a") == "a b y"
    assert chosen(World("a; Depends: b, x | y", "b 2", "x; Breaks: b (<< 2)", "y"), "a") == "a b x"


def test_a_conflict_with_what_is_provided() -> None:
    world = World("a; Depends: b, x | y", "b; Conflicts: v", "x; Provides: v", "y")
    assert chosen(world, "a") == "a b y"
    # A versioned conflict matches only a versioned provide.
    world = World("a; Depends: b, x | y", "b; Conflicts: v (<< 2)", "x; Provides: v", "y")
    assert chosen(world, "a") == "a b x"
    world = World("a; Depends: b, x | y", "b; Conflicts: v (<< 2)", "x; Provides: v (= 1)", "y")
    assert chosen(world, "a") == "a b y"


def test_a_package_may_conflict_with_what_it_provides() -> None:
    assert chosen(World("a; Provides: v; Conflicts: v; Breaks: a (<< 1)", "b"), "a") == "a"
    world = World("a; Depends: x, y | z", "x; Provides: v; Conflicts: v", "y; Provides: v; Conflicts: v", "z")
    assert chosen(world, "a") == "a x z"


def test_backtracking_over_several_choices() -> None:
    world = World(
        "a; Depends: p1 | p2, q1 | q2, r1 | r2",
        "p1",
        "p2",
        "q1",
        "q2",
        "r1; Conflicts: p1",
        "r2; Conflicts: p1",
    )
    assert chosen(world, "a") == "a p2 q1 r1"


def test_a_late_clash_does_not_undo_unrelated_choices() -> None:
    """Chronological backtracking over thirty unrelated choices would take 2^30 steps."""
    unrelated = [f"u{n}a" for n in range(30)] + [f"u{n}b" for n in range(30)]
    wants = ", ".join(f"u{n}a | u{n}b" for n in range(30))
    world = World(
        f"a; Depends: p1 | p2, {wants}, last1 | last2",
        "p1",
        "p2",
        "last1; Conflicts: p1",
        "last2; Conflicts: p1",
        *unrelated,
    )
    resolution = resolve(world, ["a"], effort=200)
    assert "p2" in resolution.packages
    assert "last1" in resolution.packages


def test_the_effort_is_bounded() -> None:
    """The pigeonhole problem is hard for any search that does not count."""
    holes = 7
    pigeons = [f"p{p}; Depends: " + " | ".join(f"p{p}h{h}" for h in range(holes)) for p in range(holes + 1)]
    places = [f"p{p}h{h}; Provides: h{h}; Conflicts: h{h}" for p in range(holes + 1) for h in range(holes)]
    with pytest.raises(Unsatisfiable, match="was stopped"):
        resolve(World(*pigeons, *places), [f"p{p}" for p in range(holes + 1)], effort=500)


def test_of_several_versions_the_preferred_one_that_fits() -> None:
    world = World("a; Depends: b (<< 2)", "b 2", "b 1; Depends: c", "c", "d; Depends: b")
    assert {n: p.version for n, p in resolve(world, ["a"]).packages.items()} == {"a": "1", "b": "1", "c": "1"}
    assert resolve(world, ["d"]).packages["b"].version == "2"
    assert resolve(world, ["a", "d"]).packages["b"].version == "1"
    assert resolve(world, ["d", "a"]) == resolve(world, ["a", "d", "a"])


def test_unmet_dependency_is_explained() -> None:
    text = failure(World("a; Depends: b", "b; Depends: c", "c 3; Depends: d (>= 2) | e", "d 1"), "a")
    assert "a -> b -> c 3 depends on d (>= 2) | e" in text
    assert "d is 1" in text
    assert "there is no e" in text


def test_conflict_is_explained() -> None:
    text = failure(World("a; Depends: b, c", "b; Depends: d", "c; Conflicts: d", "d 2"), "a")
    assert "c 1 conflicts with d, which d 2 is or provides" in text
    assert "a -> b -> d" in text


def test_what_was_tried_is_explained() -> None:
    text = failure(World("a; Depends: x | y", "x; Depends: none", "y; Conflicts: a"), "a")
    assert "tried: a -> x 1 depends on none, but there is no none" in text
    assert "tried: y 1 conflicts with a" in text


def test_a_name_that_does_not_exist() -> None:
    assert "none was requested, but there is no none" in failure(World("a"), "none")
    assert "v is a virtual package that b provides" in failure(World("a; Depends: v (>= 2)", "b; Provides: v"), "a")


def test_what_is_asked_for_is_the_package_itself() -> None:
    world = World("a; Depends: none; Provides: x", "b; Provides: a")
    assert "none" in failure(world, "a")
    assert "v is a virtual package that b provides" in failure(World("b; Provides: v"), "v")


def test_two_requests_that_conflict() -> None:
    assert "conflicts" in failure(World("a; Conflicts: b", "b"), "a", "b")


NAMES = [f"p{n}" for n in range(8)]
relation = st.tuples(st.sampled_from([*NAMES, "v0", "v1"]), st.sampled_from(["", " (>= 2)", " (<< 2)", " (= 1)"])).map(
    "".join
)
clause = st.lists(relation, min_size=1, max_size=3, unique=True).map(" | ".join)
body = st.tuples(
    st.sampled_from(["1", "2"]),
    st.lists(clause, max_size=3).map(", ".join),
    st.lists(relation, max_size=2).map(", ".join),
    st.sampled_from(["", "v0", "v1 (= 2)", "v0, v1"]),
)
worlds = st.lists(body, min_size=8, max_size=8)


def build(bodies: list[tuple[str, str, str, str]]) -> World:
    texts = []
    for name, (version, depends, conflicts, provides) in zip(NAMES, bodies, strict=True):
        fields = [("Depends", depends), ("Conflicts", conflicts), ("Provides", provides)]
        texts.append("; ".join([f"{name} {version}", *(f"{key}: {value}" for key, value in fields if value)]))
    return World(*texts)


def consistent(world: World, names: set[str]) -> bool:
    """Return whether a set satisfies all its requirements: an independent implementation of Debian Policy."""
    inside = [package for package in world.packages if package.name in names]

    def meets(package: Package, wanted: object) -> bool:
        name, op = wanted.name, wanted.op  # type: ignore[attr-defined]
        if package.name == name and wanted.accepts(package.version):  # type: ignore[attr-defined]
            return True
        return any(
            p.name == name and (not op or (p.version != "" and wanted.accepts(p.version)))  # type: ignore[attr-defined]
            for p in package.provides
        )

    for package in inside:
        if not all(any(meets(other, r) for other in inside for r in clause) for clause in package.depends):
            return False
        if any(meets(other, r) for other in inside if other is not package for r in package.conflicts):
            return False
    return True


@given(worlds, st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))
def test_it_finds_a_set_exactly_when_there_is_one(bodies: list[tuple[str, str, str, str]], asked: set[str]) -> None:
    world = build(bodies)
    subsets = ({name for at, name in enumerate(NAMES) if number >> at & 1} for number in range(256))
    possible = any(asked <= subset and consistent(world, subset) for subset in subsets)
    try:
        resolution = resolve(world, sorted(asked))
    except Unsatisfiable:
        assert not possible
        return
    found = set(resolution.packages)
    assert asked <= found
    assert consistent(world, found)
    for name, depends in resolution.depends.items():
        assert set(depends) <= found - {name}
