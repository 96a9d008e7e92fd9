"""Verbs about images take references to registries, answer as for a file, and fetch no layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.cli.images import image_file
from support.greeter import Greeter
from support.pushed import push
from support.registry import Registry, open_registry

QUESTIONS = (
    ("why", "IMAGE", "dash"),
    ("why", "IMAGE", "--json"),
    ("size", "IMAGE", "--json"),
    ("closure", "IMAGE", "--json"),
    ("show", "IMAGE", "--json"),
    ("trace", "/etc/motd", "IMAGE", "--json"),
    ("graph", "IMAGE"),
    ("provenance", "IMAGE"),
    ("diff", "IMAGE", "FILE", "--json"),
)


@pytest.fixture(scope="module")
def registry(made: Greeter) -> Iterator[Registry]:
    with Registry() as opened:
        push(made.tar, open_registry(opened))
        yield opened


def layers(made: Greeter) -> set[str]:
    return {layer.blob.digest for layer in image_file.read(made.tar).layers if layer.blob is not None}


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_an_answer_is_the_same_as_for_a_file(made: Greeter, registry: Registry, question: tuple[str, ...]) -> None:
    reference = f"{registry.host}/team/app:1.0"
    before = len(registry.requests)
    words = {"IMAGE": reference, "FILE": str(made.tar)}
    found = made.fpack(*(words.get(word, word) for word in question), "--plain-http", cwd=Path("/")).stdout
    asked = registry.requests[before:]
    assert not [request for request in asked if any(digest in str(request) for digest in layers(made))]
    words["IMAGE"] = str(made.tar)
    expected = made.fpack(*(words.get(word, word) for word in question), cwd=Path("/")).stdout
    assert found.replace(reference, str(made.tar)).replace("localhost/greeter", "greeter") != ""
    if "--json" in question and question[0] not in ("diff",):
        assert json.loads(found).keys() == json.loads(expected).keys()


def test_where_searches_a_registry(made: Greeter, registry: Registry) -> None:
    reference = f"{registry.host}/team/app:1.0"
    value = json.loads(made.fpack("where", "dash", reference, "--json", "--plain-http", cwd=Path("/")).stdout)
    assert [image["file"] for image in value["images"]] == [reference]


def test_verify_reads_all_of_it(made: Greeter, registry: Registry) -> None:
    reference = f"{registry.host}/team/app:1.0"
    before = len(registry.requests)
    result = made.fpack("verify", reference, "--offline", "--json", "--plain-http", cwd=Path("/"), status=None)
    value = json.loads(result.stdout)
    assert value["differences"] == [] and value["image"] == reference
    asked = str(registry.requests[before:])
    assert all(digest in asked for digest in layers(made))


def test_an_image_that_is_not_there(made: Greeter, registry: Registry) -> None:
    result = made.fpack("why", f"{registry.host}/team/app:2", "--plain-http", cwd=Path("/"), status=None)
    assert result.returncode == 1 and "There is no image" in result.stderr
    result = made.fpack("size", f"{registry.host}/team/app:1.0", cwd=Path("/"), status=None)
    assert result.returncode and "--plain-http" in result.stderr


def test_a_file_goes_before_a_reference_of_its_name(made: Greeter, tmp_path: Path) -> None:
    folder = tmp_path / "registry.example"
    folder.mkdir()
    (folder / "app").symlink_to(made.tar)
    value = json.loads(made.fpack("size", "registry.example/app", "--json", cwd=tmp_path).stdout)
    assert value["layers"]
