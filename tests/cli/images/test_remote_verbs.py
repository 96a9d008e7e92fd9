"""Verbs about images take references to registries, answer as for a file, and fetch no layers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.cli.images import image_file
from support.images.greeter import Greeter
from support.images.pushed import push
from support.processes.program import Fpack
from support.reports.vulnerabilities import entry, state
from support.servers.registry import Registry, open_registry

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


def test_signatures_in_a_registry_are_verified(made: Greeter, tmp_path: Path) -> None:
    """Those that a push sends, as referrers and by tags; a registry that drops them makes no image proven."""
    made.fpack.pack("-o", tmp_path / "a.tar", cwd=made.project)
    for name in ("key", "other"):
        made.fpack("key", "generate", "-o", tmp_path / f"{name}.pem")
    made.fpack("sign", tmp_path / "a.tar", "--key", tmp_path / "key.pem")
    with Registry() as registry:
        reference = f"{registry.host}/team/app:1.0"
        made.fpack("push", tmp_path / "a.tar", reference, "--plain-http")

        def verified(key: str) -> dict[str, object]:
            words = ("verify", reference, "--key", tmp_path / f"{key}.pub", "--offline", "--json", "--plain-http")
            found: dict[str, object] = json.loads(made.fpack(*words, status=None).stdout)
            return found

        assert verified("key")["differences"] == [] and verified("key")["signatures"]
        assert verified("other")["differences"]


def test_a_bill_and_a_page_of_an_image_in_a_registry(made: Greeter, tmp_path: Path) -> None:
    made.fpack.pack("-o", tmp_path / "a.tar", "--sbom", cwd=made.project)
    with Registry() as registry:
        reference = f"{registry.host}/team/app:1.0"
        made.fpack("push", tmp_path / "a.tar", reference, "--plain-http")
        bill = made.fpack("sbom", reference, "--plain-http", cwd=tmp_path).stdout
        assert bill == made.fpack("sbom", tmp_path / "a.tar", cwd=tmp_path).stdout
        made.fpack("size", reference, "--html", "--plain-http", cwd=tmp_path)
        assert (tmp_path / "app.size.html").is_file()
        audit = made.fpack("audit", reference, "--json", "--plain-http", "--offline", cwd=tmp_path, status=None)
        assert reference in audit.stdout or audit.returncode == 7


@pytest.mark.parametrize("referrers", [True, False])
def test_an_image_in_a_registry_is_signed_where_it_is(made: Greeter, tmp_path: Path, referrers: bool) -> None:
    """Nothing of the image is sent, each signer's signatures stay, and signing again changes nothing."""
    fpack, home = made.fpack, tmp_path
    for name in ("one", "two"):
        fpack("key", "generate", "-o", home / f"{name}.key")
    with Registry(api=referrers) as opened:
        push(made.tar, open_registry(opened))
        reference = f"{opened.host}/team/app:1.0"
        before = dict(opened.stored("team/app").tags)
        image = before["1.0"]
        blobs = set(opened.stored("team/app").blobs)

        def sign(name: str) -> dict[str, object]:
            done = fpack("sign", reference, "--key", home / f"{name}.key", "--plain-http", "--json", cwd=Path("/"))
            value: dict[str, object] = json.loads(done.stdout)
            return value

        first = sign("one")
        assert first["digest"] == image and first["added"]
        assert sign("one")["added"] == 0
        assert sign("two")["added"]
        stored = opened.stored("team/app")
        assert stored.tags["1.0"] == image and len(stored.tags) > len(before)
        assert not any(len(stored.blobs[digest]) > 1 << 20 for digest in set(stored.blobs) - blobs)
        for name in ("one", "two"):
            words = ("verify", reference, "--offline", "--plain-http", "--key", home / f"{name}.pub", "--json")
            value = json.loads(fpack(*words, cwd=Path("/"), status=None).stdout)
            assert value["differences"] == [] and value["signatures"]


def test_an_audit_and_a_diff_of_references_read_documents_alone(made: Greeter, tmp_path: Path) -> None:
    """A layer of random bytes is most of the image; what is read are the documents."""
    (made.project / "large.fp").write_text(
        (made.project / "fpack.fp").read_text().replace('"/srv/ünïcode" = "text"', '"/srv/large" = ./large')
    )
    (made.project / "large").write_bytes(random.Random(1).randbytes(4 << 20))
    made.fpack.pack("large.fp", "-o", tmp_path / "large.tar", cwd=made.project)
    (tmp_path / "tracker.json").write_text(json.dumps({"hello": {"CVE-2026-0001": entry(trixie=state())}}))
    with Registry() as opened:
        push(tmp_path / "large.tar", open_registry(opened))
        push(made.tar, open_registry(opened), "0.9")
        stored = opened.stored("team/app")
        new, old = (f"{opened.host}/team/app:{tag}" for tag in ("1.0", "0.9"))
        for question, status in (
            (("audit", new, "--data", tmp_path / "tracker.json", "--json"), None),
            (("diff", old, new, "--json"), 0),
            (("trace", "/usr/bin/hello", new), 0),
        ):
            opened.clear()
            fresh = Fpack(tmp_path / str(question[0]), made.fpack.archive)  # without a cache of documents
            done = fresh(*question, "--plain-http", cwd=tmp_path, status=None)
            assert status in (None, done.returncode), done.stderr
            read = {path.rpartition("/")[2] for method, path in opened.requests if method == "GET"}
            found = sum(len(stored.blobs.get(digest, b"")) for digest in read)
            assert 0 < found < 100_000, (question, found)
            if question[0] == "audit":
                assert "CVE-2026-0001" in done.stdout


def test_references_follow_the_configuration_of_registries(made: Greeter, registry: Registry, tmp_path: Path) -> None:
    """Another place without TLS, a mirror that is down before it, and a host that is blocked by a wildcard."""
    config = tmp_path / "registries.conf"
    config.write_text(f"""
[[registry]]
prefix = "images.example/all"
location = "{registry.host}/team"
insecure = true
[[registry.mirror]]
location = "localhost:1/team"
insecure = true
[[registry]]
prefix = "*.bad.example"
blocked = true
""")
    env = {"CONTAINERS_REGISTRIES_CONF": str(config)}
    found = made.fpack("why", "images.example/all/app:1.0", "dash", cwd=Path("/"), env=env)
    assert "dash" in found.stdout
    assert "blocks" in made.fpack.fails("why", "a.bad.example/all/app:1.0", "dash", cwd=Path("/"), env=env)
