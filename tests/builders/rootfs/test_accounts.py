"""Test the assignment of uids and gids and the format of passwd and group."""

from __future__ import annotations

import itertools
import time

import pytest
from fpack.builders.protocol import BuildError
from fpack.builders.rootfs import accounts as users
from fpack.builders.rootfs.accounts import assign, parse_sysusers


def declared(name: str, **fields: object) -> dict[str, object]:
    record = {"name": name, "uid": None, "gid": None, "group": name, "home": "/h", "shell": "/bin/sh", "comment": "c"}
    return {**record, **fields}


def numbers(result: tuple[list[users.User], list[users.Group]]) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    return {u.name: (u.uid, u.gid) for u in result[0]}, {g.name: g.gid for g in result[1]}


def test_the_static_ones() -> None:
    known, groups = numbers(assign([], [], []))
    assert known["root"] == (0, 0)
    assert known["www-data"] == (33, 33)
    assert known["nobody"] == (65534, 65534)
    assert known["sync"] == (4, 65534)
    assert (groups["shadow"], groups["utmp"], groups["nogroup"]) == (42, 43, 65534)


def test_packages_users_come_from_900_on_by_name() -> None:
    for order in itertools.permutations(["zeta", "alpha", "mid"]):
        known, groups = numbers(assign([], [declared(name) for name in order], []))
        assert (known["alpha"], known["mid"], known["zeta"]) == ((900, 900), (901, 901), (902, 902))
        assert groups["mid"] == 901


def test_taken_numbers_are_skipped() -> None:
    fixed = [declared("postgres", uid=900, gid=901)]
    known, _ = numbers(assign(fixed, [declared("a")], [{"name": "b", "gid": None}]))
    assert known["postgres"] == (900, 901)
    assert known["a"] == (902, 902)


def test_a_declared_number_is_kept_where_it_is_free() -> None:
    known, groups = numbers(
        assign([], [declared("a", uid=350, gid=350), declared("b", uid=350, gid=350)], [{"name": "g", "gid": 360}])
    )
    assert known["a"] == (350, 350)
    assert known["b"] == (900, 900)
    assert groups["g"] == 360


def test_groups_of_other_names() -> None:
    known, _ = numbers(assign([], [declared("web", group="www-data"), declared("lost", group="absent")], []))
    assert known["web"][1] == 33
    assert known["lost"][1] == 65534


def test_members() -> None:
    _, groups = parse_sysusers("m a ssl-cert\nm absent ssl-cert\ng ssl-cert -\n")
    result = assign([], [declared("a")], groups)
    assert next(g for g in result[1] if g.name == "ssl-cert").members == ("a",)


def test_a_fixed_user_wins_over_a_package() -> None:
    fixed = [declared("postgres", uid=999, gid=999, home="/var/lib/postgresql")]
    result = assign(fixed, [declared("postgres", home="/other")], [{"name": "postgres", "gid": None}])
    known = next(u for u in result[0] if u.name == "postgres")
    assert (known.uid, known.gid, known.home) == (999, 999, "/var/lib/postgresql")


@pytest.mark.parametrize(
    ("fixed", "word"),
    [
        ([declared("a", uid=33, gid=900)], "www-data"),
        ([declared("a", uid=950, gid=33)], "www-data"),
        ([declared("a", uid=-1, gid=5)], "uid"),
        ([declared("a", uid=1 << 32, gid=1 << 32)], "uid"),
        ([declared("a:b", uid=950, gid=950)], "name"),
        ([declared("a", uid=950, gid=950, home="/x:/y")], "colon"),
        ([declared("a", uid=950, gid=950, comment="x\nroot2:*:0:0::/:/bin/sh")], "control character"),
        ([declared("a", uid=None, gid=950)], "uid"),
    ],
)
def test_fixed_users_that_cannot_be(fixed: list[dict[str, object]], word: str) -> None:
    with pytest.raises(BuildError) as caught:
        assign(fixed, [], [])
    assert word in str(caught.value)


def test_a_package_cannot_add_lines() -> None:
    evil = declared("evil", comment="x\nroot2:*:0:0::/:/bin/sh", home="/a:b")
    text = users.passwd(assign([], [evil], [])[0])
    assert "root2" not in text
    assert all(line.count(":") == 6 for line in text.splitlines())


def test_the_files() -> None:
    found = assign([declared("postgres", uid=999, gid=999, home="/var/lib/postgresql", comment="")], [], [])
    assert users.passwd(found[0]).splitlines()[0] == "root:*:0:0:root:/root:/bin/sh"
    assert "postgres:*:999:999::/var/lib/postgresql:/bin/sh" in users.passwd(found[0]).splitlines()
    assert "postgres:*:999:" in users.group(found[1]).splitlines()


def test_sysusers() -> None:
    found, groups = parse_sysusers(
        """
# comment
u postgres 999 "PostgreSQL administrator" /var/lib/postgresql /bin/bash
u! locked - "Locked"
u web 33:www-data
u path /usr/bin/x
g kvm 78
m postgres ssl-cert
u bad:name 5
u "unbalanced
r - 500-900
"""
    )
    assert [(u["name"], u["uid"], u["group"], u["home"], u["shell"]) for u in found] == [
        ("postgres", 999, "postgres", "/var/lib/postgresql", "/bin/bash"),
        ("locked", None, "locked", "/", "/usr/sbin/nologin"),
        ("web", 33, "www-data", "/", "/usr/sbin/nologin"),
        ("path", None, "path", "/", "/usr/sbin/nologin"),
    ]
    assert {g["name"]: g["gid"] for g in groups} == {
        "postgres": 999, "locked": None, "path": None, "kvm": 78, "ssl-cert": None,
    }  # fmt: skip


def test_many_users_are_numbered_quickly() -> None:
    users = [{"name": f"u{i}", "uid": None, "group": f"u{i}"} for i in range(20_000)]
    begun = time.process_time()
    made, groups = assign((), users, ())
    assert time.process_time() - begun < 5
    assert len({user.uid for user in made}) == len(made) and len({group.gid for group in groups}) == len(groups)


def test_a_digit_that_is_no_number_is_none() -> None:
    users, groups = parse_sysusers("u one ²\nu two 5:²\ng three ²\n")
    assert [user["uid"] for user in users] == [None, 5]
    assert all(group["gid"] in (None, 5) for group in groups)
