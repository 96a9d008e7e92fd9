"""Test the pages of a package index that are HTML."""

from __future__ import annotations

from fpack.builders.python.pages import links
from support.growth import check_linear

BASE = "https://index.example.org/simple/a/"
HASH = "0" * 64


def test_links_with_hashes_are_found_in_order() -> None:
    page = (
        f'<a class="x" href="a-1.0.tar.gz#sha256={HASH}">a</a>\n<a name="none">b</a> '
        f"<a\nhref = 'a-1.1.tar.gz#sha256={HASH}' data-yanked>c</a> "
        f'<a href="a-1.2.tar.gz">d</a> <a href="a-1.3.tar.gz#sha256={HASH}"'
    )
    assert [(file.url.rpartition("/")[2].partition("#")[0], file.yanked) for file in links(page, BASE)] == [
        ("a-1.0.tar.gz", False),
        ("a-1.1.tar.gz", True),
    ]


def test_a_page_is_read_in_time_in_proportion_to_it() -> None:
    check_linear(lambda size: links('<a href="\n' * (size // 10), BASE))
    check_linear(lambda size: links("<a href=" * (size // 8), BASE))
