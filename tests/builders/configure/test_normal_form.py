"""Files whose order says nothing."""

from __future__ import annotations

from fpack.builders.configure.normal_form import normal_form, sorted_listing

HEAD = b"% ls-R -- filename database for kpathsea; do not change this line.\n\n"


def test_listings_of_one_tree_are_equal_in_any_order() -> None:
    one = HEAD + b"./:\n.:\nweb2c\ntex\n\n./tex:\nb\na\n\n./web2c:\nc\n"
    two = HEAD + b"./:\n.:\ntex\nweb2c\n\n./web2c:\nc\n\n./tex:\na\nb\n"
    assert sorted_listing(one) == sorted_listing(two)
    assert sorted_listing(one) == HEAD + b"./:\n.:\ntex\nweb2c\n\n./tex:\na\nb\n\n./web2c:\nc\n"


def test_only_listings_have_one() -> None:
    assert normal_form("var/lib/texmf/ls-R") is sorted_listing and normal_form("etc/ls-R.conf") is None
    assert sorted_listing(b"") == b"\n"
