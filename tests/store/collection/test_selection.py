"""Test which paths live and why, and in which order the others are deleted."""

from __future__ import annotations

from fpack.store import base32
from fpack.store.collection.selection import (
    BuildGraph,
    KeepReason,
    PathRow,
    Root,
    build_uses,
    chain,
    deletion_order,
    needed_derivations,
    select,
    until,
)
from fpack.store.derivation import Derivation, Output, digest
from hypothesis import given
from hypothesis import strategies as st

NO_BUILDS = BuildGraph({}, {}, {})


def name(n: int) -> bytes:
    return b"%020d" % n


def row(*references: int, used: float = 0) -> PathRow:
    return PathRow(tuple(map(name, references)), 10, used, used)


@st.composite
def graphs(draw: st.DrawFn) -> dict[bytes, PathRow]:
    """Paths that reference only earlier ones, with times of use."""
    count = draw(st.integers(1, 12))
    return {
        name(n): row(*draw(st.sets(st.integers(0, n - 1))) if n else (), used=draw(st.integers(0, 4)))
        for n in range(count)
    }


@given(graphs(), st.data())
def test_what_lives_is_the_closure_of_the_roots(paths: dict[bytes, PathRow], data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(paths))))
    found = select(paths, [Root("result", "x", hash_) for hash_ in kept], NO_BUILDS)
    assert kept <= found.live.keys()
    assert sorted([*found.live, *found.dead]) == sorted(paths) and not found.inputs
    for hash_ in found.live:
        assert found.live.keys() >= set(paths[hash_].references)
        assert list(chain(found.live, hash_))[-1][1].root is not None


@given(graphs(), st.data())
def test_every_beginning_of_the_order_leaves_complete_closures(
    paths: dict[bytes, PathRow], data: st.DataObject
) -> None:
    order = deletion_order(paths, paths)
    assert sorted(order) == sorted(paths)
    gone: set[bytes] = set()
    for hash_ in order:
        gone.add(hash_)
        assert not any(set(paths[left].references) & gone for left in paths.keys() - gone)


@given(graphs())
def test_what_was_used_last_goes_last_with_its_closure(paths: dict[bytes, PathRow]) -> None:
    def effective(hash_: bytes) -> float:
        users = [other for other in paths if hash_ in paths[other].references]
        return max([paths[hash_].used, *map(effective, users)])

    order = deletion_order(paths, paths)
    times = [effective(hash_) for hash_ in order]
    assert times == sorted(times)


def test_a_deep_chain_is_no_recursion() -> None:
    paths = {name(n): row(*([n - 1] if n else [])) for n in range(20_000)}
    assert deletion_order(paths, paths)[0] == name(19_999)
    assert len(select(paths, [Root("result", "x", name(19_999))], NO_BUILDS).live) == 20_000


def test_what_builds_of_living_paths_used_is_kept_apart() -> None:
    fetch = Derivation("fetch", "archive", {"urls": []}).encode()
    unpack = Derivation("deb", "payload", {}, (Output(digest(fetch)),)).encode()
    # A builder made this one while it ran: it names a path.
    cut = Derivation("slice", "slice", {"payload": f"/fpack/store/{base32.encode(name(2))}-payload"}).encode()
    other = Derivation("text", "other", {}).encode()
    bodies = {digest(body): body for body in (fetch, unpack, cut, other)}
    outputs = {digest(fetch): [name(1)], digest(unpack): [name(2)], digest(cut): [name(3)], digest(other): [name(4)]}
    makers = {paths[0]: [maker] for maker, paths in outputs.items()}
    paths = {name(1): row(), name(2): row(5), name(3): row(), name(4): row(), name(5): row()}
    found = select(paths, [Root("result", "x", name(3))], BuildGraph(makers, outputs, bodies))
    assert set(found.live) == {name(3)} and set(found.inputs) == {name(1), name(2), name(5)}
    assert found.dead == [name(4)]
    assert found.inputs[name(2)] == KeepReason(referrer=name(3), is_input=True)
    assert found.inputs[name(1)] == KeepReason(referrer=name(2), is_input=True)
    assert found.inputs[name(5)] == KeepReason(referrer=name(2))
    assert found.derivations == {digest(fetch), digest(unpack), digest(cut)}
    assert list(found.inputs).index(name(2)) < list(found.inputs).index(name(5))


def test_an_input_whose_path_is_gone_leads_to_its_own_inputs() -> None:
    fetch = Derivation("fetch", "archive", {"urls": []}).encode()
    unpack = Derivation("deb", "payload", {}, (Output(digest(fetch)),)).encode()
    build = Derivation("exec", "it", {}, (Output(digest(unpack)),)).encode()
    bodies = {digest(body): body for body in (fetch, unpack, build)}
    builds = BuildGraph({name(2): [digest(build)]}, {digest(build): [name(2)], digest(fetch): [name(1)]}, bodies)
    found = select({name(1): row(), name(2): row()}, [Root("result", "x", name(2))], builds)
    assert set(found.inputs) == {name(1)} and found.derivations == set(bodies)


def test_derivations_lead_to_their_inputs_and_candidates() -> None:
    a = Derivation("text", "a", {}).encode()
    b = Derivation("text", "b", {}, (Output(digest(a)),)).encode()
    c = Derivation("text", "c", {}, (), (Output(digest(b)), Output(b"?" * 20))).encode()
    bodies = {digest(body): body for body in (a, b, c)}
    assert needed_derivations(bodies, [digest(c)]) == set(bodies)
    assert needed_derivations(bodies, [digest(b), b"?" * 20]) == {digest(a), digest(b)}


@given(st.binary(max_size=40))
def test_rubbish_in_place_of_a_derivation_uses_nothing(body: bytes) -> None:
    assert build_uses(body) == ([], [])


def test_a_goal_ends_the_deletion() -> None:
    order = [name(n) for n in range(5)]
    assert until(order, lambda hash_: 10, 25) == order[:3]
    assert until(order, lambda hash_: 10, 0) == [] and until(order, lambda hash_: 0, 1) == order
