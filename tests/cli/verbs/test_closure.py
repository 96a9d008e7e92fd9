"""Closures: store paths and packages with sizes, as lists and as trees; and why and size of the same image."""

from __future__ import annotations

import json
from typing import Any

from fpack.cli.images.inspect import ImageSlice, Match
from fpack.cli.ui.layout import Branch, Page, cells, clean, tree
from fpack.cli.verbs import why
from fpack.store.database import Database
from support.fixtures import archive as archive
from support.fixtures import user_of_greeter as user_of_greeter
from support.processes.program import Fpack
from support.processes.terminal import on_terminal


def ask(fpack: Fpack, *args: str) -> Any:
    return json.loads(fpack(*args, "--json").stdout)


def test_a_containers_packages_and_what_they_declare(fpack: Fpack) -> None:
    found = ask(fpack, "closure", "debian.trixie.hello")
    packages = {each["name"]: each for each in found["packages"]}
    assert {"base-files", "dash", "hello", "libgreet1"} <= set(packages) and list(packages) == sorted(packages)
    assert packages["hello"]["needs"] == ["dash", "libgreet1"] and packages["libgreet1"]["version"] == "2:1.0~rc1-1"
    assert found["size"] == sum(each["size"] for each in packages.values()) > 0
    assert {"base-files", "hello"} <= set(found["tops"]) and "libgreet1" not in found["tops"]


def test_a_linked_containers_packages_and_what_they_load(fpack: Fpack) -> None:
    packages = {each["name"]: each for each in ask(fpack, "closure")["packages"]}
    assert list(packages) == ["base-files", "coreutils", "dash", "hello"]  # a script calls a command of coreutils
    assert packages["hello"]["needs"] == ["coreutils", "dash"] and packages["dash"]["needs"] == []


def test_a_list_is_sorted_by_name_or_by_size(fpack: Fpack) -> None:
    lines = fpack("closure", "debian.trixie.hello").stdout.splitlines()
    names = [line.split()[2] for line in lines[:-1]]
    assert "libgreet1" in names and names == sorted(names)
    assert lines[-1].endswith(f"in {len(names)} packages")
    sizes = [each["size"] for each in ask(fpack, "closure", "debian.trixie.hello", "--size")["packages"]]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) > 1


def test_a_tree_names_again_what_it_drew_before(fpack: Fpack) -> None:
    text = fpack("closure", "debian.trixie.hello", "--tree").stdout
    lines = [line.rsplit("  ", 1)[0] for line in text.splitlines()]
    at = lines.index("hello 2.10-3")
    assert lines[at + 1].startswith("├─ dash 1.0") and lines[at + 2] == "└─ libgreet1 2:1.0~rc1-1"
    error = fpack.fails("closure", "debian.trixie.hello", "--tree", "--size")
    assert "--tree" in error


def test_the_store_paths_of_a_built_thing(fpack: Fpack) -> None:
    path = ask(fpack, "build", "fpack.fp#words")["path"]
    found = ask(fpack, "closure", "fpack.fp#words")
    assert found["paths"] == [{"name": "words", "path": path, "size": len("some words"), "needs": []}]
    assert fpack("closure", "fpack.fp#words").stdout.splitlines()[0].split() == ["10", "B", path]


def test_the_store_paths_behind_a_container_are_its_references(fpack: Fpack) -> None:
    found = ask(fpack, "closure", "--paths")
    database = Database(fpack.home / "store" / "db" / "fpack.sqlite")
    references = {str(info.path): len(info.references) for info in database.paths()}
    database.close()
    paths = {each["path"]: each for each in found["paths"]}
    assert found["tops"][0] in paths and len(paths) > 5
    assert all(len(each["needs"]) == references[path] for path, each in paths.items())
    assert all(need in paths for each in paths.values() for need in each["needs"])
    text = fpack("closure", "--paths", "--tree").stdout
    assert text.startswith("greeter ") and "└─ " in text and "hello-2.10-3-slice" in text


# Why and size.


def test_why_draws_everything_and_what_brought_it_in(fpack: Fpack) -> None:
    lines = fpack("why", "debian.trixie.hello").stdout.splitlines()
    assert "base-files 1.0  Essential, so it is in every image" in lines
    at = lines.index("hello 2.10-3  requested")
    assert lines[at + 1 : at + 4] == [
        "├─ coreutils 1.0  /usr/bin/hello calls cat", "├─ dash 1.0  hello depends on dash",
        "└─ libgreet1 2:1.0~rc1-1  hello depends on libgreet1",
    ]  # fmt: skip


def test_why_of_one_thing_is_the_chain_down_to_it(fpack: Fpack) -> None:
    lines = fpack("why", "fpack.fp", "/usr/bin/dash").stdout.splitlines()
    assert lines == [
        "hello 2.10-3  requested", "└─ dash 1.0  /usr/bin/hello is run by /bin/sh", "   └─ /usr/bin/dash",
    ]  # fmt: skip
    assert fpack("why", "fpack.fp", "dash").stdout.splitlines() == lines[:2]
    assert list(ask(fpack, "why", "fpack.fp", "dash")) == ["dash"]
    message = fpack.fails("why", "fpack.fp", "dahs")
    assert "dahs is not in the image" in message and "dash" in message


def test_why_tells_the_steps_that_a_server_lacks() -> None:
    note = "the unit's step '/bin/systemctl x' is left out: systemctl manages a system, which a container is not"
    slices = [ImageSlice("served", "1.0", "/fpack/store/x-served", None, "seed", "", "")]
    for found in (None, Match("served")):
        reasons = why.Reasons(slices, found, left_out={"served": [note]})
        page = Page()
        assert [line.rstrip() for line in tree(page, reasons.branches())][-1].endswith(note)
        assert reasons.as_json()["served"][-1] == {"kind": "left-out", "what": note}
    assert len(why.Reasons(slices, Match("served", "usr/bin/x"), left_out={"served": [note]}).as_json()["served"]) == 1


def test_why_names_fpack_and_the_container_as_makers_of_files(fpack: Fpack) -> None:
    (fpack.home / "own.fp").write_text(
        """image = container {
          packages = [import("fpack/debian").trixie.hello]
          files = { "/etc/hello/words.conf" = { text = "hi" }, "/etc/debian_version" = { text = "mine" } }
          links = { "/opt/words" = "/etc/hello/words.conf" }
        }"""
    )
    own = "own.fp"
    assert fpack("why", own, "/etc/passwd").stdout == "/etc/passwd  made by fpack, rule accounts\n"
    for name in ("/etc/hello/words.conf", "words.conf"):
        assert fpack("why", own, name).stdout == "/etc/hello/words.conf  a file of the container\n"
    assert "a file of the container" in fpack("why", own, "/opt/words").stdout
    assert "a file of the container" in fpack("why", own, "/etc/debian_version").stdout, "it replaces the package's"
    assert "hello" in fpack("why", own, "/bin/hello").stdout
    passwd = ask(fpack, "why", own, "/etc/passwd")
    assert passwd == {"/etc/passwd": [{"kind": "generated", "rule": "accounts", "file": "/etc/passwd"}]}
    assert ask(fpack, "why", own, "/opt/words") == {"/opt/words": [{"kind": "files", "file": "/opt/words"}]}
    assert fpack("why", "debian.trixie.hello", "/etc/group").stdout == "/etc/group  made by fpack, rule accounts\n"
    assert "is not in the image" in fpack.fails("why", own, "/etc/hello/none.conf")


def test_size_shows_bars_on_a_terminal_alone(fpack: Fpack) -> None:
    fpack("size", "debian.trixie.hello")
    text = on_terminal(fpack, "size", "debian.trixie.hello", columns=70)
    lines = text.splitlines()
    assert "share" in lines[0] and "█" * 16 in lines[1] and lines[-1].endswith("layers")
    assert all(len(line) <= 70 for line in lines)
    assert "█" not in fpack("size", "debian.trixie.hello").stdout
    sizes = ask(fpack, "size", "debian.trixie.hello")
    assert sizes["size_compressed"] == sum(each["size"] for each in sizes["layers"])


def test_a_narrow_terminal_gets_reasons_below_the_names(fpack: Fpack) -> None:
    fpack("why", "debian.trixie.hello")
    lines = on_terminal(fpack, "why", "debian.trixie.hello", columns=40).splitlines()
    at = lines.index("├─ dash 1.0  hello depends on dash")
    assert lines[at + 1][1:] == "─ libgreet1 2:1.0~rc1-1"
    assert lines[at + 2].strip(" │") == "hello depends on libgreet1" and all(len(line) <= 40 for line in lines)


# Drawing.


def page(width: int = 0, color: bool = False, unicode: bool = True) -> Page:
    return Page(width, color, unicode)


def test_trees_in_letters_that_every_terminal_has() -> None:
    branches = [Branch("a", "1", "", [Branch("b", "", "", [Branch("c")]), Branch("d")])]
    assert tree(page(unicode=False), branches) == ["a 1", "|- b", "|  `- c", "`- d"]
    assert tree(page(), branches) == ["a 1", "├─ b", "│  └─ c", "└─ d"]


def test_a_deep_tree_is_drawn_without_recursion() -> None:
    branch = Branch("leaf")
    for _ in range(5000):
        branch = Branch("x", "", "", [branch])
    assert len(tree(page(), [branch])) == 5001


def test_tables_cut_the_last_column_only_where_there_is_an_end() -> None:
    rows = [["a", "bbb", "words that are long"], ["aa", "b", "short"]]
    assert page().table(rows, right=(1,)) == ["a   bbb  words that are long", "aa    b  short"]
    assert page(22).table(rows) == ["a   bbb  words that a…", "aa  b    short"]
    assert page(22, unicode=False).table(rows)[0] == "a   bbb  words that..."


def test_bars() -> None:
    assert [page().bar(share, 4) for share in (0, 0.5, 1, 7, 0.03125)] == ["    ", "██  ", "████", "████", "▏   "]
    assert page(unicode=False).bar(0.5, 4) == "##  "


def test_text_of_others_cannot_command_a_terminal_and_has_its_own_width() -> None:
    assert clean("a\x1b[31mb\u202ec\x07") == "a [31mb c "
    assert [cells(text) for text in ("abc", "ä", "日本", "e\u0301")] == [3, 1, 4, 1]
    assert page(10).fit("日本日本日本", 7) == "日本日…"
    assert page(20).wrap("one two three four", 9) == ["one two", "three", "four"]
