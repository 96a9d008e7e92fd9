"""Test with random bytes that every parser returns a value or raises an FpackError."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fpack.builders.debian.control import parse_stanza, stanzas
from fpack.builders.debian.indexes.package_index import PackageIndex
from fpack.builders.debian.indexes.table import open_table, table_file
from fpack.builders.debian.lock.text import parse_lock
from fpack.builders.debian.mirrors import Mirrors, parse_base, parse_deb822, parse_one_line
from fpack.builders.debian.relations import parse_provides, parse_relations
from fpack.builders.debian.release import parse_release
from fpack.builders.debian.suites import Suite
from fpack.builders.debian.version import version_key
from fpack.builders.net.http import Http
from fpack.store.errors import FpackError
from hypothesis import given
from hypothesis import strategies as st
from support.archives.archive import pin_of


def _table(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    pin = pin_of(data)
    index = PackageIndex(Suite("x", "debian"), "amd64", open_table(data, table_file(data, pin), pin))
    for name in index.names():
        index.packages(name)


def _lists(text: str) -> None:
    list(stanzas(text))


READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "version": (version_key, "1:2.~-+a0"),
    "stanza": (parse_stanza, "Aa:-\n #\t"),
    "stanzas": (_lists, "Aa:-\n #\t\r"),
    "relations": (lambda text: parse_relations(text, "amd64"), "ab(>=1:~)[!]<>|, "),
    "provides": (lambda text: parse_provides(text, "amd64"), "ab(>=1:~)[!]<>|, "),
    "release": (lambda text: parse_release(text.encode("utf-8", "surrogatepass"), ""), "Date: SHA256\n 01,"),
    "lock": (parse_lock, "fpack-lock 1\nsuite"),
    "index": (_table, "Package: a\n\n Provides:,"),
    "base": (parse_base, "http://[]:@/debian="),
    "one line": (parse_one_line, "deb http://[]debian sid main#\n"),
    "deb822": (parse_deb822, "Types: deb\nURIs: http://[]/debian\nSuites: sid\nComponents: main"),
    "mirror URL": (lambda text: Mirrors([]).expand("mirror://" + text), "debian/.%[]"),
    "URL": (lambda text: Http(retries=0, environ={}).get(["file://" + text], limit=10), "/[]:@%\0.."),
    "other URL": (lambda text: Http(retries=0, environ={}).get([text], limit=10), "ftp:/[]@%\0"),
}

LINES = {
    "one line": ["deb http://[x/debian sid main", "deb http://x:y/debian sid main", "deb [ http://x/debian sid main"],
    "deb822": ["Types: deb\nURIs: http://[x/debian\nSuites: sid\nComponents: main\n"],
    "base": ["http://[x/debian", "debian=http://[x", "file://["],
    "other URL": [
        "http://[x/",
        "https://x:port/",
        "http://x:99999/",
        "http://\udc80/",
        "http://a b/",
        "http://x\r\ny/",
    ],
    "URL": ["/\0", "/" + "a" * 5000, "/%00", "[", "localhost/../../proc/none"],
    "version": ["9" * 200, "1" + "~" * 250],
    "release": ["Date: " + "9" * 5000, "SHA256:\n " + "0" * 64 + " 9 " + "\n" * 3, "Date: 1 Jan 99999 00:00:00 +9999"],
    "index": ["Package: a\nVersion: 1\n", "Package: \n", "Package: ä\n\nPackage: b\n"],
    "lock": ["fpack-lock 99999999", "fpack-lock 1\n" + "package " * 9, "fpack-lock 1\n  :"],
}


def _harmless(read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except FpackError as error:
        assert error.what


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in LINES.items() for text in texts])
def test_chosen_texts(name: str, text: str) -> None:
    _harmless(READERS[name][0], text)


@pytest.mark.parametrize("name", sorted(READERS))
@given(st.data())
def test_any_text(name: str, data: st.DataObject) -> None:
    read, likely = READERS[name]
    _harmless(read, data.draw(st.one_of(st.text(max_size=60), st.text(likely, max_size=120))))
