"""Test which files of a payload a slice keeps, and where merged /usr puts them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds.deb import DebBuilder
from fpack.builders.kinds.slice import SliceBuilder
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError
from support.archives import debs
from support.archives.debs import Item, file, folder, symlink
from support.stores.task import FakeStore

COPYRIGHT = file("./usr/share/doc/hello/copyright", "GPL")


class Sliced:
    """A slice: its directory, its entries by path and its extra fields."""

    def __init__(self, place: Path) -> None:
        self.data = place / "data"
        entries, self.extra = meta.read(place)
        self.entries: dict[str, TreeEntry] = {entry.path: entry for entry in entries}

    def paths(self) -> list[str]:
        return [path for path in self.entries if not path.startswith("var/lib/dpkg")]


def cut(store: FakeStore, *items: Item, stanza: str | None = None, **rule: Any) -> Sliced:
    path = store.add_file("hello.deb", debs.deb(items, stanza))
    args = {"deb": str(path), "package": "hello", "version": "1.0-1", "arch": "amd64"}
    payload = store.build(DebBuilder(), "hello", args)
    rule = {"keep": None, "drop": [], "setuid": [], **rule}
    return Sliced(store.disk(store.build(SliceBuilder(), "hello", {"payload": str(payload), **rule})))


def test_keep_and_drop(store: FakeStore) -> None:
    items = [
        file("./usr/bin/a", "a", 0o755),
        file("./usr/bin/b", "b", 0o755),
        file("./usr/share/man/a.1", "m"),
        file("./etc/a.conf", "c"),
    ]
    made = cut(store, *items, COPYRIGHT, keep=["/usr/bin", "/etc"], drop=["/usr/bin/b"])
    assert made.paths() == ["etc/a.conf", "usr/bin/a", "usr/share/doc/hello/copyright"]
    assert sorted(os.listdir(made.data / "usr/bin")) == ["a"]


def test_contents_are_links_into_the_pool(store: FakeStore) -> None:
    made = cut(store, file("./usr/bin/a", "content", 0o755))
    assert os.stat(made.data / "usr/bin/a").st_nlink >= 3


def test_the_copyright_is_kept_whatever_the_rule(store: FakeStore) -> None:
    for rule in ({"drop": ["/usr/share/doc"]}, {"keep": ["/usr/bin"]}, {"drop": ["/**"]}):
        made = cut(store, file("./usr/bin/a", "a"), COPYRIGHT, file("./usr/share/doc/hello/changelog", "x"), **rule)
        assert (made.data / "usr/share/doc/hello/copyright").read_text() == "GPL"
        assert "usr/share/doc/hello/changelog" not in made.entries


def test_a_documentation_directory_that_is_a_link(store: FakeStore) -> None:
    items = [symlink("./usr/share/doc/hello", "hello-base"), file("./usr/bin/a", "a")]
    made = cut(store, *items, drop=["/usr/share/doc"])
    assert os.readlink(made.data / "usr/share/doc/hello") == "hello-base"


def test_a_documentation_link_within_the_package(store: FakeStore) -> None:
    items = [
        symlink("./usr/share/doc/hello", "hello-base"),
        file("./usr/share/doc/hello-base/copyright", "MIT"),
        file("./usr/share/doc/hello-base/changelog", "x"),
    ]
    made = cut(store, *items, drop=["/usr/share/doc"])
    assert (made.data / "usr/share/doc/hello/copyright").read_text() == "MIT"
    assert "usr/share/doc/hello-base/changelog" not in made.entries


def test_a_copyright_that_is_a_link(store: FakeStore) -> None:
    items = [symlink("./usr/share/doc/hello/copyright", "../hello/LICENSE"), file("./usr/share/doc/hello/LICENSE", "L")]
    made = cut(store, *items, drop=["/usr/share/doc"])
    assert (made.data / "usr/share/doc/hello/copyright").read_text() == "L"


def test_links_of_copyrights_in_a_circle(store: FakeStore) -> None:
    items = [symlink("./usr/share/doc/hello", "other"), symlink("./usr/share/doc/other", "hello"), file("./usr/x", "x")]
    assert "usr/x" in cut(store, *items).entries


def test_a_keep_that_matches_nothing_names_the_nearest(store: FakeStore) -> None:
    with pytest.raises(BuildError) as caught:
        cut(store, file("./usr/bin/psql", "x"), keep=["/usr/bin/*", "/usr/lib/psql"])
    assert "'/usr/lib/psql'" in caught.value.what
    assert "/usr/bin/psql" in caught.value.why


def test_a_drop_that_matches_nothing_is_fine(store: FakeStore) -> None:
    assert "usr/bin/a" in cut(store, file("./usr/bin/a", "x"), drop=["/usr/share/absent"]).entries


def test_a_slice_beside_one_of_another_architecture(store: FakeStore) -> None:
    """It has no file that the other has with another content, and may have none at all."""
    items = [file("./usr/lib/a/x.so", "x"), file("./usr/bin/x", "x"), COPYRIGHT]
    rule: dict[str, Any] = {"keep": ["/usr/lib/a/**", "/usr/include/**"], "beside": "arm64"}
    made = cut(store, *items, **rule)
    assert set(made.entries) == {"usr/lib/a/x.so"} and made.extra["package"].endswith(":arm64")
    assert set(cut(store, items[1], **rule).entries) == set()


@pytest.mark.parametrize("top", ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"])
def test_top_level_directories_move(store: FakeStore, top: str) -> None:
    made = cut(store, folder(f"./{top}"), file(f"./{top}/x", "x"), file("./etc/y", "y"))
    assert made.paths() == ["etc/y", f"usr/{top}/x"]
    assert not (made.data / top).exists()


def test_the_links_that_merge_usr_stay(store: FakeStore) -> None:
    made = cut(store, symlink("./bin", "usr/bin"), symlink("./lib64", "usr/lib64"), file("./usr/bin/x", "x"))
    assert os.readlink(made.data / "bin") == "usr/bin"
    assert made.entries["lib64"].target == "usr/lib64"


@pytest.mark.parametrize(
    ("old", "target", "leads_to"),
    [
        ("lib/triplet/liba.so.1", "liba.so.1.2", "usr/lib/triplet/liba.so.1.2"),
        ("lib/triplet/liba.so.1", "../../usr/lib/triplet/liba.so.1.2", "usr/lib/triplet/liba.so.1.2"),
        ("lib/triplet/liba.so.1", "/usr/lib/triplet/liba.so.1.2", "usr/lib/triplet/liba.so.1.2"),
        ("bin/x", "../lib/triplet/liba.so.1.2", "usr/lib/triplet/liba.so.1.2"),
        ("bin/x", "../etc/conf", "etc/conf"),
        ("sbin/x", "../bin/y", "usr/bin/y"),
        ("usr/lib/triplet/liba.so", "../../../lib/triplet/liba.so.1.2", "usr/lib/triplet/liba.so.1.2"),
    ],
)
def test_links_lead_to_the_same_file_after_the_move(store: FakeStore, old: str, target: str, leads_to: str) -> None:
    items = [
        file("./usr/lib/triplet/liba.so.1.2", "usr/lib/triplet/liba.so.1.2"),
        file("./etc/conf", "etc/conf"),
        file("./bin/y", "usr/bin/y"),
        symlink("./" + old, target),
    ]
    made = cut(store, *items)
    for name in ("bin", "lib"):
        os.chmod(made.data, 0o755)
        (made.data / name).symlink_to(f"usr/{name}")
    moved = next(entry for entry in made.entries.values() if entry.kind == meta.SYMLINK)
    link = os.readlink(made.data / moved.path)
    assert link == moved.target
    place = Path(str(made.data) + link) if link.startswith("/") else (made.data / moved.path).parent / link
    assert place.read_text() == leads_to


def test_the_same_content_at_both_places(store: FakeStore) -> None:
    made = cut(
        store,
        file("./bin/a", "same", 0o755),
        file("./usr/bin/a", "same", 0o755),
        folder("./bin/d"),
        folder("./usr/bin/d"),
    )
    assert made.paths() == ["usr/bin/a", "usr/bin/d"]


def test_two_contents_at_one_place(store: FakeStore) -> None:
    with pytest.raises(BuildError) as caught:
        cut(store, file("./bin/a", "one"), file("./usr/bin/a", "two"))
    assert "hello" in caught.value.what
    assert caught.value.where == "/bin/a and /usr/bin/a"


@pytest.mark.parametrize("target", ["/usr/lib/x", "../usr/lib/x"])
def test_a_link_onto_the_merged_place_gives_way(store: FakeStore, target: str) -> None:
    made = cut(store, symlink("./lib/x", target), file("./usr/lib/x", "real"))
    assert (made.data / "usr/lib/x").read_text() == "real"
    assert made.entries["usr/lib/x"].kind == meta.FILE


def test_a_link_back_into_the_old_place_gives_way(store: FakeStore) -> None:
    made = cut(store, file("./bin/which", "real", 0o755), symlink("./usr/bin/which", "/bin/which"))
    assert (made.data / "usr/bin/which").read_text() == "real"


def test_a_directory_and_a_link_onto_it(store: FakeStore) -> None:
    made = cut(store, symlink("./lib/mod", "../usr/lib/mod"), file("./usr/lib/mod/f", "f"))
    assert (made.data / "usr/lib/mod/f").read_text() == "f"


def test_a_file_that_would_come_below_a_link(store: FakeStore) -> None:
    with pytest.raises(BuildError) as caught:
        cut(store, symlink("./lib/mod", "/opt/mod"), file("./usr/lib/mod/f", "f"))
    assert "merged /usr" in caught.value.what


def test_set_id_bits_are_recorded_and_dropped(store: FakeStore) -> None:
    items = [file("./bin/su", "su", 0o4755), file("./usr/bin/wall", "wall", 0o2755), folder("./var/mail", 0o2775)]
    made = cut(store, *items, setuid=["/bin/su"])
    assert made.extra["setuid"] == [["/usr/bin/su", 0o4755], ["/usr/bin/wall", 0o2755]]
    assert made.entries["usr/bin/su"].mode == 0o4755
    assert made.entries["usr/bin/wall"].mode == 0o755
    assert made.entries["var/mail"].mode == 0o2775


def test_a_set_id_file_that_is_not_there(store: FakeStore) -> None:
    with pytest.raises(BuildError) as caught:
        cut(store, file("./usr/bin/su", "su", 0o4755), setuid=["/usr/bin/sudo"])
    assert "/usr/bin/sudo" in caught.value.what
    assert "/usr/bin/su" in caught.value.why


def test_empty_directories(store: FakeStore) -> None:
    items = [
        folder("./var/lib/hello"),
        folder("./usr/lib/hello"),
        file("./usr/lib/hello/f", "f"),
        file("./usr/bin/a", "a"),
    ]
    made = cut(store, *items, drop=["/usr/lib/hello/f"])
    assert made.paths() == ["usr/bin/a", "var/lib/hello"]
    assert not (made.data / "usr/lib").exists()


def test_a_directory_with_a_mode_goes_with_what_is_in_it(store: FakeStore) -> None:
    items = [folder("./etc/secret", 0o700), file("./etc/secret/key", "k"), file("./usr/bin/a", "a")]
    assert "etc/secret" in cut(store, *items).entries
    assert "etc/secret" not in cut(store, *items, drop=["/etc/secret/key"]).entries


def test_the_status_entry(store: FakeStore) -> None:
    stanza = debs.control(Depends="libc6") + " long description\n .\n end\n"
    made = cut(store, file("./usr/bin/a", "a"), stanza=stanza, drop=["/**"])
    text = (made.data / "var/lib/dpkg/status.d/hello").read_text()
    assert text.startswith("Package: hello\nStatus: install ok installed\nVersion: 1.0-1\n")
    assert text.endswith(" .\n end\n")
    entry = made.entries["var/lib/dpkg/status.d/hello"]
    assert (entry.kind, entry.mode, entry.size) == (meta.FILE, 0o644, len(text))


def test_what_is_carried_over(store: FakeStore) -> None:
    made = cut(store, file("./usr/bin/a", "a"), stanza=debs.control(Replaces="old (<< 1)"))
    assert (made.extra["package"], made.extra["version"], made.extra["arch"]) == ("hello", "1.0-1", "amd64")
    assert made.extra["replaces"] == "old (<< 1)"
    assert made.extra["alternatives"] == made.extra["users"] == made.extra["units"] == []


def test_the_same_rule_gives_the_same_bytes(store: FakeStore) -> None:
    items = [file("./usr/bin/b", "b"), file("./bin/a", "a"), symlink("./lib/l", "../bin/a")]
    one, two = cut(store, *items), cut(store, *items)
    assert one.data == two.data


@pytest.mark.parametrize("path", ["var/lib/dpkg/status", "var/lib/dpkg/status.d/openssl"])
def test_a_package_says_nothing_of_others(store: FakeStore, path: str) -> None:
    with pytest.raises(BuildError, match="status") as caught:
        cut(store, file(f"./{path}", "Package: openssl\nStatus: install ok installed\nVersion: 99\n"))
    assert path in caught.value.where
