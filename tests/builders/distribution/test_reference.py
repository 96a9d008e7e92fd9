"""References to images in registries."""

from __future__ import annotations

import pytest
from fpack.builders.distribution.addresses import BadAddress, open_repository
from fpack.builders.distribution.reference import BadReference, Reference, is_reference, parse_reference
from fpack.builders.mirrors.addresses import open_place

D = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("localhost/app", Reference("localhost", "app")),
        ("localhost:5000/team/app:1.0", Reference("localhost:5000", "team/app", "1.0")),
        ("[::1]:5000/a", Reference("[::1]:5000", "a")),
        (f"registry.example/a/b__c@{D}", Reference("registry.example", "a/b__c", "", D)),
        (f"127.0.0.1:5000/a:v1@{D}", Reference("127.0.0.1:5000", "a", "v1", D)),
    ],
)
def test_a_reference(text: str, wanted: Reference) -> None:
    assert parse_reference(text) == wanted and str(wanted) == text and is_reference(text)


@pytest.mark.parametrize(
    "text",
    ["", "app", "a/b", "./a.tar", "a.example/A", "a.b/c:", "a.b/c@sha256:1", "a.b//c", "a.b/c:1\n", f"a.b/{'c' * 256}"],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadReference, match="is not a reference"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("localhost/a", True),
        ("127.9.0.1:80/a", True),
        ("[::1]/a", True),
        ("127.0.0.1.example/a", False),
        ("localhost.example:1/a", False),
    ],
)
def test_the_host_is_this_machine(text: str, loopback: bool) -> None:
    assert parse_reference(text).is_loopback == loopback


def test_what_is_asked_for() -> None:
    assert parse_reference("a.b/c").wanted == "latest"
    assert parse_reference("a.b/c:1").wanted == "1"
    assert parse_reference(f"a.b/c:1@{D}").wanted == D


@pytest.mark.parametrize(
    "text",
    ["https://u:secret@[::1/x", "https://u:secret@h:99999/x", "file://[/x", "s3://[x/y", "https://u:secret@h\u2100/x"],
)
def test_an_address_that_cannot_be_divided_is_an_error_without_its_password(text: str) -> None:
    for open_it in (open_repository, open_place):
        with pytest.raises(BadAddress) as caught:
            open_it(text)
        assert "secret" not in str(caught.value)
