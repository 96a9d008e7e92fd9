"""Test which slices can be combined, and which slice owns each path."""

from __future__ import annotations

import pytest
from fpack.builders.protocol import BuildError
from fpack.builders.rootfs.compose import compose
from support.stores.slices import content, folder, link, table


def test_files_that_do_not_meet() -> None:
    made = compose([table("a", {"usr/bin/a": content("a")}), table("b", {"usr/bin/b": content("b")})])
    assert sorted(made.files) == ["usr/bin/a", "usr/bin/b"]
    assert set(made.directories) == {"usr", "usr/bin"}
    assert made.excluded == []


def test_equal_files_are_taken_from_one_package() -> None:
    files = {"usr/f": content("same"), "usr/l": link("f")}
    made = compose([table("a", files), table("b", files), table("c", {"usr/f": content("same")})])
    assert made.files["usr/f"][0].package == made.files["usr/l"][0].package == "a"
    assert made.excluded == [("b", "usr/f", "same", "a"), ("b", "usr/l", "same", "a"), ("c", "usr/f", "same", "a")]


def test_what_is_left_out_names_the_package_that_is_taken_in_the_end() -> None:
    tables = [
        table("a", {"f": content("old")}),
        table("b", {"f": content("old")}),
        table("c", {"f": content("new")}, replaces="a"),
        table("d", {"f": content("new")}),
    ]
    assert compose(tables).excluded == [
        ("a", "f", "replaced", "c"),
        ("b", "f", "replaced", "c"),
        ("d", "f", "same", "c"),
    ]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (content("a"), content("b")),
        (content("a"), content("a", 0o755)),
        (content("a"), content("a", uid=5)),
        (link("x"), link("y")),
        (link("x"), content("x")),
    ],
)
def test_different_files_are_refused_with_both_names(one: object, two: object) -> None:
    with pytest.raises(BuildError) as caught:
        compose([table("apple", {"etc/f": one}), table("berry", {"etc/f": two})])
    assert "apple" in caught.value.what
    assert "berry" in caught.value.what
    assert caught.value.where == "/etc/f"


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("replaces", "version", "honoured"),
    [
        ("old", "1", True),
        ("other, old (<< 2)", "1", True),
        ("old (<< 2)", "2", False),
        ("old (<< 2)", "1:0", False),
        ("older", "1", False),
        ("old (<<", "1", False),
    ],
)
def test_replaces_in_both_orders(turned: bool, replaces: str, version: str, honoured: bool) -> None:
    new = table("new", {"etc/f": content("new")}, replaces=replaces)
    old = table("old", {"etc/f": content("old"), "etc/g": content("g")}, version)
    order = [old, new] if turned else [new, old]
    if honoured:
        made = compose(order)
        assert made.files["etc/f"][0] is new
        assert made.excluded == [("old", "etc/f", "replaced", "new")]
        assert made.files["etc/g"][0] is old
    else:
        with pytest.raises(BuildError, match="both have"):
            compose(order)


def test_two_that_replace_each_other_are_refused() -> None:
    with pytest.raises(BuildError) as caught:
        compose([table("a", {"f": content("a")}, replaces="b"), table("b", {"f": content("b")}, replaces="a")])
    assert "each" in caught.value.why


def test_a_link_where_another_has_a_directory() -> None:
    tables = [table("a", {"usr/share/d": link("e")}), table("b", {"usr/share/d/f": content("f")})]
    with pytest.raises(BuildError) as caught:
        compose(tables)
    assert "symlink in the package a and a directory in b" in caught.value.what
    replaced = [tables[0], table("b", {"usr/share/d/f": content("f")}, replaces="a")]
    assert compose(replaced).excluded == [("a", "usr/share/d", "replaced", "b")]
    both = [table("x", {"usr/share/d": link("e")}), *replaced[:1], table("b", replaced[1].entries, replaces="a, x")]
    expected = [("a", "usr/share/d", "replaced", "b"), ("x", "usr/share/d", "replaced", "b")]
    assert compose(both).excluded == expected


def test_two_versions_of_a_package() -> None:
    with pytest.raises(BuildError) as caught:
        compose([table("a", {}, "1"), table("a", {}, "2")])
    assert "1 and 2" in caught.value.why
    assert len(compose([table("a", {}, "1"), table("a", {}, "2", arch="i386")]).files) == 0


def test_a_package_with_two_rules() -> None:
    with pytest.raises(BuildError, match="twice"):
        compose([table("a", {}), table("a", {"f": content()})])


@pytest.mark.parametrize("turned", [False, True])
def test_a_directory_with_a_mode_keeps_it(turned: bool) -> None:
    tables = [table("a", {"var/mail": folder(0o2775, 8)}), table("b", {"var/mail/f": content("f")})]
    made = compose(tables[::-1] if turned else tables)
    assert made.directories["var/mail"].mode == 0o2775
    assert [entry.path for entry in made.overrides] == ["var/mail"]


def test_a_directory_on_which_all_agree_needs_no_override() -> None:
    made = compose([table("a", {"tmp": folder(0o1777)}), table("b", {"tmp": folder(0o1777)})])
    assert made.overrides == []
    assert made.directories["tmp"].mode == 0o1777


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("usr/bin/a", "usr/bin/a"),
        ("/usr/bin/a", "usr/bin/a"),
        ("/bin/a", "usr/bin/a"),
        ("/usr/bin/l", "usr/bin/a"),
        ("/usr/bin/up", "usr/bin/a"),
        ("/opt/a", "usr/bin/a"),
        ("/usr/bin", "usr/bin"),
        ("/usr/bin/dangling", None),
        ("/usr/bin/circle", None),
        ("/usr/bin/absent", None),
        ("/../../usr/bin/a", "usr/bin/a"),
        ("/alternative", "usr/bin/a"),
    ],
)
def test_resolving(path: str, leads_to: str | None) -> None:
    files = {
        "usr/bin/a": content("a"),
        "usr/bin/l": link("a"),
        "usr/bin/up": link("../../../../usr/bin/l"),
        "opt": link("/usr/bin"),
        "usr/bin/dangling": link("nothing"),
        "usr/bin/circle": link("circle"),
    }
    made = compose([table("a", files)])
    assert made.resolve(path, {"alternative": "/bin/a"}) == leads_to
