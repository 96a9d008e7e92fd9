"""SLSA provenance: valid by the official definitions, complete, always in the same bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from fpack.builders.attest import slsa, statement
from fpack.builders.attest.slsa import BuildContext, Commit
from fpack.builders.attest.statement import Statement
from fpack.builders.manifest.encoding import encode_head
from fpack.builders.verify import manifest_loading
from support.images.greeter import Greeter

CONTEXT = BuildContext(
    "#image", (("fpack.fp", "ab" * 32), ("lib/a.fp", "cd" * 32)), Commit("0" * 40, True), "2026-01-31T12:00:00Z",
    "https://ci.example/runner",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(made: Greeter) -> bytes:
    return manifest_loading.from_file(made.manifest)


def provenance(data: bytes, context: BuildContext = CONTEXT) -> Statement:
    return slsa.provenance(manifest_loading.reader(data, ""), data, context)


def strict(value: dict[str, Any]) -> Any:
    """Parse a statement by the official definitions; an unknown field or a wrong type is an error."""
    json_format = pytest.importorskip("google.protobuf.json_format")
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.statement_pb2 import Statement as Official

    json_format.ParseDict(value, Official())
    return json_format.ParseDict(value["predicate"], Provenance())


@pytest.mark.parametrize("context", [BuildContext(), CONTEXT, CONTEXT._replace(commit=None, finished="")])
def test_it_is_valid_by_the_definitions_of_in_toto_and_slsa(data: bytes, context: BuildContext) -> None:
    value = json.loads(provenance(data, context).encode())
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    found = strict(value)
    assert found.build_definition.build_type and found.run_details.builder.id
    for row in value["predicate"]["buildDefinition"]["resolvedDependencies"]:
        assert row.keys() & {"uri", "digest"}, "a descriptor needs one of these"
    with pytest.raises(Exception, match="no field named"):
        strict({**value, "predicate": {**value["predicate"], "odd": 1}})


def test_it_names_everything_that_went_into_the_image(made: Greeter, data: bytes) -> None:
    head = manifest_loading.reader(data, "").head
    value = json.loads(provenance(data, BuildContext()).encode())
    (subject,) = value["subject"]
    assert "sha256:" + subject["digest"]["sha256"] == head.image.manifest.digest
    definition = value["predicate"]["buildDefinition"]
    digests = {row["digest"].get("sha256") for row in definition["resolvedDependencies"]}
    assert {package.sha256 for package in head.lock.packages} <= digests
    assert {suite.sha256 for suite in head.lock.suites} <= digests
    assert {index.packed_sha256 for index in head.lock.indexes} <= digests
    trees = {row["digest"].get("fpackTree") for row in definition["resolvedDependencies"]}
    assert {source.tree for source in head.sources if source.kind == "source"} <= trees
    assert all(row["digest"] for row in definition["resolvedDependencies"])
    purls = [row["uri"] for row in definition["resolvedDependencies"] if row["uri"].startswith("pkg:deb/")]
    assert "pkg:deb/debian/hello@2.10-3?arch=amd64&distro=trixie" in purls
    given = definition["externalParameters"]
    assert given["packages"] == ["base-files", "greet-tools", "hello"] and given["container"]["User"] == "65534:65534"
    assert "attribute" not in given
    run = value["predicate"]["runDetails"]
    assert run["metadata"] == {"invocationId": f"urn:fpack:derivation:{head.image.derivation}"}
    assert run["byproducts"][0]["digest"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_the_same_manifest_gives_the_same_bytes(data: bytes) -> None:
    assert provenance(data).encode() == provenance(data).encode()
    text = provenance(data, BuildContext()).encode()
    assert b"finishedOn" not in text and b"gitCommit" not in text


@pytest.mark.parametrize(
    "context",
    [BuildContext(), CONTEXT, CONTEXT._replace(commit=Commit("1" * 64, False)), BuildContext(builder="urn:x")],
)
def test_what_the_packer_claims_can_be_read_back(data: bytes, context: BuildContext) -> None:
    made = provenance(data, context)
    read = statement.parse(made.encode(), "")
    assert slsa.context_of(read) == context
    assert provenance(data, slsa.context_of(read)).encode() == made.encode()


@pytest.mark.parametrize(
    "predicate",
    [None, 5, [], {}, {"buildDefinition": [], "runDetails": {}}, {"buildDefinition": {"resolvedDependencies": [5]}},
     {"buildDefinition": {"externalParameters": {}, "resolvedDependencies": [{"name": "git"}]},
      "runDetails": {"builder": {"id": "x"}, "metadata": {}}}],
)  # fmt: skip
def test_a_strange_provenance_claims_nothing(predicate: Any) -> None:
    assert slsa.context_of(statement.about("x", "sha256:00", statement.PROVENANCE, predicate)) == BuildContext()


def test_the_hashes_of_locks_are_digests() -> None:
    zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    assert slsa._digests((f"h1:{zeros}",)) == {"dirHash": "00" * 32}
    assert slsa._digests(("sha256:" + "ab" * 32, "sha512-YWJj", "md5-YWJj", "sha512-!")) == {
        "sha256": "ab" * 32,
        "sha512": "616263",
    }


def test_texts_of_an_image_cannot_drive_a_terminal(data: bytes) -> None:
    text = provenance(data, CONTEXT._replace(attribute="a\x1b[2J\x9b\x7f\u202e")).encode()
    assert all(32 <= byte < 127 for byte in text)


def test_an_index_without_sha256_has_its_sha512(data: bytes) -> None:
    head = manifest_loading.reader(data, "").head
    strong = [
        index._replace(sha256="", packed_sha256="", sha512="1" * 128, packed_sha512="2" * 128)
        for index in head.lock.indexes
    ]
    changed = encode_head(head._replace(lock=head.lock._replace(indexes=tuple(strong))))
    value = json.loads(provenance(changed + data[len(encode_head(head)) :]).encode())
    rows = value["predicate"]["buildDefinition"]["resolvedDependencies"]
    files = tuple(index.file for index in strong)
    assert [row["digest"] for row in rows if row["name"].endswith(files)] == [{"sha512": "2" * 128}] * len(strong)
    assert all(text for row in rows for text in row["digest"].values())
