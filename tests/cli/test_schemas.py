"""The published schemas: every --json output is valid, and has no field that its schema does not describe."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.archives.shells import world as shells_world
from support.images.greeter import Greeter
from support.json_outputs import (
    Outputs,
    Recorder,
    commands,
    of_caches,
    of_images,
    of_platforms,
    of_projects,
    of_rebuilders,
    of_stores,
    of_trials,
    two_platforms,
)
from support.paths import REPOSITORY
from support.processes.program import Fpack, world
from support.sharing import made_once

SCHEMAS = REPOSITORY / "docs" / "schemas"
MANIFEST = "manifest-2"
OUTPUTS = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*") if MANIFEST not in path.name)


def schema(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return value


def strict(value: Any) -> Any:
    """Return the schema with records that have no other fields than those it describes.

    A published schema allows more fields, since later versions of fpack may add some.
    """
    if isinstance(value, list):
        return [strict(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: strict(item) for key, item in value.items()}
    return (
        {**made, "additionalProperties": False} if "required" in made and "additionalProperties" not in made else made
    )


def records(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON value, each of them the very object in the value."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from records(item)


def validator(checker: dict[str, Any]) -> Any:
    jsonschema = pytest.importorskip("jsonschema")  # takes a second to import, so not whenever tests are collected
    return jsonschema.Draft202012Validator(checker)


def is_valid(checker: dict[str, Any], value: Any) -> bool:
    return bool(validator(checker).is_valid(value))


def fault(checker: dict[str, Any], value: Any) -> str:
    """Return where and why a value is not valid, or ""."""
    found = validator(checker)
    error = pytest.importorskip("jsonschema").exceptions.best_match(found.iter_errors(value))
    return "" if error is None else f"{error.json_path}: {error.message}"


@pytest.fixture(scope="module")
def outputs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Return the outputs of every command, by its words. They are made once, for all workers of a parallel run."""

    def made() -> Outputs:
        return make_outputs(request.getfixturevalue("made"), tmp_path_factory)

    found: Outputs = made_once(tmp_path_factory, "outputs-of-commands", made)
    return found


def make_outputs(made: Greeter, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Run every command, and return the outputs by its words."""
    found: Outputs = {}
    folder = tmp_path_factory.mktemp("outputs")
    of_images(Recorder(found, made.fpack, made.project), made, folder)
    of_rebuilders(Recorder(found, made.fpack, made.project), made, folder)
    several = two_platforms(folder)
    of_platforms(Recorder(found, several, several.home), folder)
    archive = world(folder / "world")
    archive.add("hello-dev", files={"usr/include/hello.h": "\n"})
    archive.publish(contents=True)
    fpack = Fpack(folder / "user", archive)
    run = Recorder(found, fpack, fpack.home)
    of_projects(run, archive)
    of_stores(run)
    of_caches(run, folder)
    real = shells_world(folder / "programs")
    trier = Fpack(folder / "trier", real)
    of_trials(Recorder(found, trier, trier.home), real)
    return found


def test_every_command_with_json_has_a_schema_and_is_run_here(outputs: Outputs) -> None:
    named = {words.replace(" ", "-") for words in commands()}
    assert {name.rpartition("-")[0] for name in OUTPUTS} == named
    assert {words.replace(" ", "-") for words in outputs} == named


@pytest.mark.parametrize("name", [*OUTPUTS, MANIFEST])
def test_a_schema_is_a_schema(name: str) -> None:
    found = schema(name)
    validator(found).check_schema(found)
    assert found["$id"] == f"urn:fpack:schema:{name}" and found["title"]
    for record in records(found):
        if "properties" in record and isinstance(record.get("required"), list):
            assert {*record["required"]} <= record["properties"].keys(), record


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_have_what_their_schema_describes_and_nothing_else(outputs: Outputs, name: str) -> None:
    lenient, checker = schema(name), strict(schema(name))
    values = [
        value
        for words, found in outputs.items()
        if words.replace(" ", "-") == name.rpartition("-")[0]
        for value in found
    ]
    assert values
    for value in values:
        assert fault(checker, value) == ""
        assert is_valid(lenient, value)


@pytest.mark.parametrize("name", sorted({*OUTPUTS} - {"eval-1"}))
def test_a_field_more_is_allowed_by_the_published_schema_and_found_here(outputs: Outputs, name: str) -> None:
    """Each record of an output gets a new field in turn, as if a later version had it."""
    lenient, checker = schema(name), strict(schema(name))
    words = next(words for words in outputs if words.replace(" ", "-") == name.rpartition("-")[0])
    value = copy.deepcopy(max(outputs[words], key=lambda value: len(json.dumps(value))))
    found = 0
    for record in [record for record in records(value) if record]:
        record["new_field"] = next(iter(record.values()))  # which a map may have
        if not is_valid(checker, value):
            found += 1
            assert is_valid(lenient, value), record
        del record["new_field"]
    assert found


def test_the_manifest_is_as_its_schema_says(made: Greeter, tmp_path: Path) -> None:
    checker = schema(MANIFEST)
    made.fpack.pack("#everything", "-o", tmp_path / "everything.tar", cwd=made.project)
    for path in (made.manifest, tmp_path / "everything.manifest.json"):
        value = json.loads(path.read_bytes())
        assert fault(checker, value) == ""
    entry = value["layers"][0]["entries"][-1]
    for change, fine in (
        ({"origin": {"generated": "accounts"}}, True),
        ({"origin": {"configured": {"package": "hello", "script": "postinst", "sha256": "0" * 64}}}, True),
        ({"path": {"$bytes": "ff"}}, True),
        ({"new_field": 1}, False),
        ({"mode": "644"}, False),
        ({"sha256": "00"}, False),
    ):
        before = dict(entry)
        entry.update(change)
        assert is_valid(checker, value) == fine, change
        entry.clear()
        entry.update(before)
    for record in (value, value["image"], value["lock"], value["claims"], value["paths"][0], value["layers"][0]):
        record["new_field"] = 1
        assert not is_valid(checker, value)
        del record["new_field"]
    assert is_valid(checker, value)
