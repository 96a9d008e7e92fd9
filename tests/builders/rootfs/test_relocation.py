"""Relocated programs: which paths change, that nothing else does, and where the links lead."""

from __future__ import annotations

import pytest
from fpack.builders.rootfs.relocation import merged_links, relocate
from hypothesis import given
from hypothesis import strategies as st

ELF = b"\x7fELF\x02\x01\x01\0"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"/usr/bin/perl", b"/.fp/bin/perl"),
        (b"#!/bin/sh\n", b"#!/.fp/sh\n"),
        (b"#! /usr/bin/env python3", b"#! /.fp/bin/env python3"),
        (b"PATH=/usr/bin:/bin:/usr/sbin:/sbin", b"PATH=/.fp/bin:/.fp:/.fp/sbin:/.fp/"),
        (b"/lib64/ld-linux-x86-64.so.2\0", b"/.fp///ld-linux-x86-64.so.2\0"),
        (b"/lib/ld-linux-aarch64.so.1\0", b"/.fp/ld-linux-aarch64.so.1\0"),
        (b"/etc/ld.so.cache\0/etc/ld.so.preload\0", b"/.fp/ld.so.cache\0/.fp/ld.so.preload\0"),
        (b'prefix = "/usr"', b'prefix = "/.fp"'),
        (b"file:///usr/share/doc", b"file:///.fp/share/doc"),
    ],
)
def test_a_path_of_the_tools_is_replaced(old: bytes, new: bytes) -> None:
    assert relocate(ELF + old) == ELF + new
    if b"\0" not in old:  # else it is no text
        assert relocate(old) == new


@pytest.mark.parametrize(
    "text",
    [
        b"/etc/passwd /var/lib/x /etc/ld.so.conf /etc/ld.so.cache.d", b"$DESTDIR/usr/bin ${root}/bin/x %s/lib/y",
        b"/usr/share/zoneinfo/UTC", b"/usr/lib/debug/.build-id", b"/lib/modules/6.1", b"/usrlocal /binary /user",
        b"../lib/x ./bin/y /opt/usr/bin https://example.org/lib/x", b"/lib32/ld-linux.so.2",
    ],
)  # fmt: skip
def test_another_path_stays(text: bytes) -> None:
    assert relocate(text) == text and relocate(ELF + text) == ELF + text


def test_any_byte_may_precede_the_loader_in_a_program() -> None:
    """The section before the loader's path is a hash."""
    for byte in range(256):
        before = ELF + bytes([byte])
        assert relocate(before + b"/lib64/ld-linux-x86-64.so.2\0") == before + b"/.fp///ld-linux-x86-64.so.2\0"


def test_data_stays() -> None:
    for data in (b"PK\x03\x04\0\0/usr/bin", b"\x1f\x8b\x08\0/usr/lib"):
        assert relocate(data) == data


@given(
    st.lists(st.sampled_from([b"/usr", b"/bin", b"/sbin/", b"/lib64", b"/etc/ld.so.cache", b"a", b"/", b"\0", b":"]))
)
def test_the_length_stays(parts: list[bytes]) -> None:
    content = ELF + b"".join(parts)
    assert len(relocate(content)) == len(content)


def test_entries_of_merged_directories_have_links() -> None:
    paths = ["bin", "bin/dash", "bin/lib", "lib", "lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu/libc.so.6", "sbin/dash"]
    assert list(merged_links(paths)) == [("x86_64-linux-gnu", "lib/x86_64-linux-gnu"), ("dash", "bin/dash")]
