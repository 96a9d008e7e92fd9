"""Bills of materials for lawyers."""

from __future__ import annotations

import csv
import io
import tarfile

from fpack.builders.sbom import legal
from fpack.builders.sbom.model import Bill
from support.reports import bills


def written(bill: Bill, sources: bool = False) -> dict[str, str]:
    """Return the files of an archive, and check that GNU tar's order and sizes hold."""
    data = b"".join(legal.document(bill, sources))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
        found = {}
        for member in members:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read().decode()
    assert len(found) == len(members)
    return found


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_packages() -> None:
    found = written(bills.everything())
    packages = rows(found["packages.csv"])
    tree = next(row for row in packages if row["version"] == "1:2.0~rc1+dfsg-3+b1")
    assert (tree["source"], tree["source version"]) == ("tree", "1:2.0~rc1+dfsg-3")
    assert (tree["declared as"], tree["effective as"], tree["files"]) == ("GPL-2+ or Tree", "Tree", "5")
    assert tree["urls"] == "https://deb.example.org/a.deb https://snapshot.example.org/a.deb"
    assert found[tree["copyright notices"]] == "2020 Åsa Löv\n"
    assert "Do what you like" in found[f"licences/{tree['effective licence']}.txt"]
    other = next(row for row in packages if row["architecture"] == "i386")
    assert found[f"licences/{other['effective licence']}.txt"] == "Plant another tree."
    assert "cc" not in {row["package"] for row in packages}
    assert [row["package"] for row in rows(found["build-packages.csv"])] == ["cc"]


def test_files() -> None:
    found = rows(written(bills.everything())["files.csv"])
    assert [(row["path"], row["licence as"], row["copyright"]) for row in found] == [
        ("/usr/lib/libtree.so.1", "Tree", "2019 Åsa Löv"),
        ("/usr/lib/libtree32.so.1", "Tree", ""),
        ("/usr/share/tree/a b\\c%.jar", "Expat", ""),
    ]


def test_copyright_files_are_whole() -> None:
    data = "2020 Jürgen\r\n".encode("latin-1") + b"text\n" * 10_000
    part = bills.deb("a", "1", copyright="", copyright_file=data)
    bill = bills.everything()._replace(components=(part,), files=(), relations=())
    pieces = list(legal.document(bill))
    assert max(map(len, pieces)) < 16_000
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        table = archive.extractfile("packages.csv")
        assert table is not None
        row = next(row for row in rows(table.read().decode()) if row["package"] == "a")
        file = archive.extractfile(row["copyright file"])
        assert file is not None and file.read() == data
        assert row["copyright file"] == "copyright-files/deb/a_1_amd64.txt" and row["copyright notices"] == ""
        assert not any(name.startswith("copyright/deb/") for name in archive.getnames())


def test_sources_are_listed_if_asked_for() -> None:
    assert "sources.csv" not in written(bills.everything())
    found = rows(written(bills.everything(), sources=True)["sources.csv"])
    used = {(row["source"], row["version"]): (row["packages"], row["included in"]) for row in found}
    assert used == {
        ("bare", "0.1-1"): ("bare 0.1-1", ""),
        ("static", "5-1"): ("", "libtree1 1:2.0~rc1+dfsg-3+b1"),
        ("tool-1.2.tar.gz", ""): ("tool 1.2", ""),
        ("tree", "1:2.0-1"): ("libtree1 1:2.0-1", ""),
        ("tree", "1:2.0~rc1+dfsg-3"): ("libtree1 1:2.0~rc1+dfsg-3+b1", ""),
    }
    assert all(row["url"] for row in found)


def test_names_of_files_are_unique_and_inside_the_archive() -> None:
    parts = tuple(
        bills.deb(name, version, ref=f"pkg:{number}")
        for number, (name, version) in enumerate(
            [("a", "1"), ("a", "1"), ("../../etc/passwd", "1"), ("/root", "1"), ("b" * 300, "1"), ("b" * 300, "2")]
        )
    )
    found = written(bills.everything()._replace(components=parts, files=(), relations=()))
    names = [name for name in found if name.startswith("copyright/deb/")]
    assert len(names) == len(parts)
    assert all(name.count("/") == 2 and len(name) < 250 for name in names)


def test_archive_is_the_same_each_time() -> None:
    assert b"".join(legal.document(bills.everything())) == b"".join(legal.document(bills.everything()))


def test_no_cell_is_a_formula() -> None:
    part = bills.deb("a", "1", urls=("=HYPERLINK(1)",))
    bill = bills.everything()._replace(components=(part,), files=(), relations=())
    (row,) = (row for row in rows(written(bill)["packages.csv"]) if row["package"] == "a")
    assert "'=HYPERLINK(1)" in row.values() and not any(value.startswith("=") for value in row.values())
