"""The plan of layers: complete, within its limit, and still where one package changes."""

from __future__ import annotations

import pytest
from fpack.builders.oci.layer_plan import LayerGroup, LayerItem, plan, stable_name
from fpack.store.path import StorePath
from hypothesis import given, settings
from hypothesis import strategies as st


def item(name: str, size: int, version: str = "1") -> LayerItem:
    return LayerItem(StorePath("0" * 32, f"{name}-{version}"), "", name, size, (name,))


names = st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), unique=True, max_size=60)
sizes = st.integers(0, 2**34)
items = names.flatmap(lambda ns: st.tuples(*[sizes.map(lambda size, n=n: item(n, size)) for n in ns]))


@settings(max_examples=50)
@given(items, st.integers(1, 70))
def test_every_item_is_in_one_layer_and_layers_are_not_too_many(given_items: tuple[LayerItem, ...], room: int) -> None:
    groups = plan(given_items, room)
    assert sorted(i for g in groups for i in g.items) == sorted(given_items)
    assert len(groups) <= room and all(g.items for g in groups)
    assert len({g.name for g in groups}) == len(groups)


@settings(max_examples=20)
@given(items, st.integers(70, 100))
def test_with_room_each_has_its_own_layer_in_order(given_items: tuple[LayerItem, ...], room: int) -> None:
    assert plan(given_items, room) == [LayerGroup(i.path.name, (i,)) for i in given_items]


def members(groups: list[LayerGroup]) -> set[frozenset[str]]:
    return {frozenset(i.name for i in g.items) for g in groups}


@settings(max_examples=50)
@given(items, st.integers(1, 40), st.data())
def test_a_new_version_of_similar_size_moves_no_other(
    given_items: tuple[LayerItem, ...], room: int, data: st.DataObject
) -> None:
    if not given_items:
        return
    number = data.draw(st.integers(0, len(given_items) - 1))
    old = given_items[number]
    low = 1 << old.size.bit_length() >> 1
    new = item(old.name, data.draw(st.integers(low, max(low, low * 2 - 1))), "2")
    changed = (*given_items[:number], new, *given_items[number + 1 :])
    assert members(plan(given_items, room)) == members(plan(changed, room))


@settings(max_examples=50)
@given(items, st.integers(2, 40), st.data())
def test_leaving_a_small_one_out_moves_no_other(
    given_items: tuple[LayerItem, ...], room: int, data: st.DataObject
) -> None:
    shared = [i for g in plan(given_items, room) if len(g.items) > 1 for i in g.items]
    if len(given_items) - 1 <= room or not shared:
        return
    gone = data.draw(st.sampled_from(shared))
    rest = [i for i in given_items if i != gone]
    before = {names - {gone.name} for names in members(plan(given_items, room))} - {frozenset()}
    assert members(plan(rest, room)) == before


def test_the_largest_keep_layers_of_their_own() -> None:
    many = [item(f"p{i}", 1 << i) for i in range(30)]
    groups = plan(many, 12)
    alone = {g.items[0].name for g in groups if not g.name.startswith("group-")}
    assert alone == {f"p{i}" for i in range(21, 30)}


def test_no_room_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least one layer"):
        plan([item("a", 1)], 0)


@pytest.mark.parametrize(
    ("name", "stable"), [("redis-7.4.2", "redis"), ("lib-x11-1", "lib-x11"), ("tool", "tool"), ("g++-14", "g++")]
)
def test_the_stable_name_of_a_store_path(name: str, stable: str) -> None:
    assert stable_name(StorePath("0" * 32, name)) == stable
