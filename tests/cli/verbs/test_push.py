"""`fpack push` and `fpack pack --push`, with a registry in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import cosign
from support.archives.machines import small_world
from support.fixtures import registry as registry
from support.images.greeter import Greeter
from support.processes.program import Fpack
from support.servers.registry import Registry, log_in, open_registry


def push(made: Greeter, image: str | Path, reference: str, *options: str, **more: Any) -> dict[str, Any]:
    done = made.fpack("push", "--json", image, reference, "--plain-http", *options, cwd=made.project, **more)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def pack(made: Greeter, reference: str, *options: str, **more: Any) -> dict[str, Any]:
    return made.fpack.pack("--push", reference, "--plain-http", *options, cwd=made.project, **more)


def test_the_digest_is_the_same_everywhere(made: Greeter, registry: Registry) -> None:
    packed = made.fpack.pack("-o", made.project / "same.tar", cwd=made.project)
    found = push(made, made.project / "same.tar", f"{registry.host}/team/app:1.0")
    assert found["digest"] == packed["digest"] and found["blobs"]["uploaded"] and found["sent"] == registry.received
    direct = pack(made, f"{registry.host}/team/direct:1.0")
    assert direct["pushed"]["digest"] == direct["digest"] == packed["digest"] and direct["file"] is None
    stored = registry.stored("team/app")
    assert stored.tags["1.0"] == packed["digest"]
    manifest, record = "application/vnd.fpack.manifest.v2", "application/vnd.fpack.store.v1"
    app, other = open_registry(registry), open_registry(registry, name="team/direct")
    # What was packed here has a record of its store paths, too.
    for repository in (app, other):
        assert sorted(entry.artifact_type for entry in repository.referrers(packed["digest"])) == [manifest, record]
    assert registry.stored("team/direct").manifests.items() >= stored.manifests.items()


def test_an_unchanged_push_is_one_request(made: Greeter, registry: Registry) -> None:
    reference = f"{registry.host}/team/app:1.0"
    first = pack(made, reference)
    assert not first["pushed"]["unchanged"] and "sources" in first
    registry.clear()
    assert pack(made, reference)["pushed"]["unchanged"]
    assert push(made, "#image", reference)["unchanged"]
    assert push(made, made.tar, reference)["unchanged"]
    assert registry.requests == [("HEAD", "/v2/team/app/manifests/1.0")] * 3


def test_no_archive_is_written_unless_it_is_asked_for(made: Greeter, registry: Registry, tmp_path: Path) -> None:
    before = sorted(made.project.iterdir())
    pack(made, f"{registry.host}/team/app:1.0")
    assert sorted(made.project.iterdir()) == before
    assert pack(made, f"{registry.host}/team/app:1.0", "-o", str(tmp_path / "a.tar"))["file"] == str(tmp_path / "a.tar")


def test_documents_are_added_to_an_image_that_is_there(made: Greeter, registry: Registry) -> None:
    reference = f"{registry.host}/team/app:1.0"
    pack(made, reference)
    found = pack(made, reference, "--sbom=spdx-2.3,cyclonedx-1.6", "--provenance")["pushed"]
    assert found["documents"] == 3 and not found["unchanged"] and found["blobs"]["uploaded"] == 3
    types = sorted(entry.artifact_type for entry in open_registry(registry).referrers(found["digest"]))
    assert types == [
        "application/spdx+json", "application/vnd.cyclonedx+json", "application/vnd.fpack.manifest.v2",
        "application/vnd.fpack.store.v1", "application/vnd.in-toto+json",
    ]  # fmt: skip


@pytest.mark.parametrize("api", [True, False])
@pytest.mark.parametrize("form", ["tar", "oci-dir"])
def test_signatures_have_the_tags_of_cosign(made: Greeter, tmp_path: Path, form: str, api: bool) -> None:
    image = tmp_path / "image"
    made.fpack.pack("--format", form, "-o", image, cwd=made.project)
    made.fpack("key", "generate", "-o", tmp_path / "key.pem")
    made.fpack("sign", image, "--key", tmp_path / "key.pem")
    with Registry(api=api) as registry:
        found = push(made, image, f"{registry.host}/team/app:1.0")
        app = open_registry(registry)
        for kind in ("sig", "att"):
            tagged = app.manifest(cosign.tag(found["digest"], kind))
            assert tagged is not None and cosign.ARTIFACTS[kind] in tagged.data.decode()
            assert tagged.digest in {entry.digest for entry in app.referrers(found["digest"])}
        registry.clear()
        assert push(made, image, f"{registry.host}/team/app:1.0")["unchanged"] and len(registry.requests) == 1


def test_signatures_of_others_stay(made: Greeter, registry: Registry, tmp_path: Path) -> None:
    """Two people sign copies of an image, and push them."""
    reference = f"{registry.host}/team/app:1.0"
    for name in ("alice", "bob"):
        made.fpack("key", "generate", "-o", tmp_path / f"{name}.pem")
        shutil.copy(made.tar, tmp_path / f"{name}.tar")
        made.fpack("sign", tmp_path / f"{name}.tar", "--key", tmp_path / f"{name}.pem")
    found = push(made, tmp_path / "alice.tar", reference)
    push(made, tmp_path / "bob.tar", reference)
    tagged = open_registry(registry).manifest(cosign.tag(found["digest"], "sig"))
    assert tagged is not None and len(json.loads(tagged.data)["layers"]) == 2
    registry.clear()
    for name in ("alice", "bob"):
        push(made, tmp_path / f"{name}.tar", reference)
    assert registry.count("PUT") == 0


def test_several_images_by_their_own_names(made: Greeter, registry: Registry) -> None:
    found = made.fpack.pack("#image", "debian.trixie.hello", "--push", f"{registry.host}/team/", "--plain-http",
                            cwd=made.project)  # fmt: skip
    references = [image["pushed"]["reference"] for image in found["images"]]
    assert references[0] == f"{registry.host}/team/greeter:1.0" and references[1].startswith(
        f"{registry.host}/team/hello:"
    )
    assert "ends it with a slash" not in made.fpack.fails(
        "pack", "#image", "debian.trixie.hello", "--push", f"{registry.host}/team", "--plain-http", cwd=made.project
    )


def test_platforms(tmp_path: Path, registry: Registry) -> None:
    fpack = Fpack(tmp_path / "home", small_world(tmp_path / "archive"))
    (fpack.home / "fpack.fp").write_text(
        'debian = import("fpack/debian").trixie\nimage = container { packages = [debian.greet], closure = "linked" }\n'
    )
    words = ("--push", f"{registry.host}/team/app:1.0", "--plain-http", "--platform", "linux/amd64,linux/arm64")
    packed = fpack.pack(*words)
    top = open_registry(registry).manifest("1.0")
    assert top is not None and top.digest == packed["digest"]
    digests = [row["digest"] for row in json.loads(top.data)["manifests"]]
    assert digests == [row["digest"] for row in packed["platforms"]]
    assert all(len(open_registry(registry).referrers(digest)) == 2 for digest in digests)
    registry.clear()
    assert fpack.pack(*words)["pushed"]["unchanged"]
    assert len(registry.requests) == 1
    fpack.pack("--platform", "linux/amd64,linux/arm64", "-o", "both.tar")
    assert json.loads(fpack("push", "--json", "./both.tar", words[1], "--plain-http").stdout)["unchanged"]


def test_an_image_of_another_tool(made: Greeter, registry: Registry, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    made.fpack.pack("--format", "oci-dir", "--no-manifest", "-o", layout, cwd=made.project)
    value = json.loads((layout / "index.json").read_bytes())
    value["manifests"][0].pop("annotations")
    (layout / "index.json").write_text(json.dumps(value))
    found = push(made, layout, f"{registry.host}/other/tool")
    assert found["documents"] == 0 and registry.stored("other/tool").tags == {"latest": found["digest"]}


@pytest.mark.parametrize("same", [True, False])
def test_an_image_of_another_registry(made: Greeter, tmp_path: Path, same: bool) -> None:
    """A copy, with its documents and signatures; within a registry, nothing is sent but what lists it."""
    made.fpack.pack("-o", tmp_path / "a.tar", "--sbom", cwd=made.project)
    made.fpack("key", "generate", "-o", tmp_path / "key.pem")
    made.fpack("sign", tmp_path / "a.tar", "--key", tmp_path / "key.pem")
    with Registry() as one, Registry() as two:
        other = one if same else two
        found = push(made, tmp_path / "a.tar", f"{one.host}/team/app:1.0")
        other.clear()
        copied = push(made, f"{one.host}/team/app:1.0", f"{other.host}/copies/app:1.0")
        assert copied["digest"] == found["digest"] and copied["documents"] == found["documents"] == 5
        assert other.stored("copies/app").manifests == one.stored("team/app").manifests
        assert bool(other.received) != same
        assert push(made, f"oci://{one.host}/team/app:1.0", f"{other.host}/copies/app:1.0")["unchanged"]


def test_credentials(made: Greeter, tmp_path: Path) -> None:
    with Registry(user="me:secret", bearer=True) as registry:
        reference = f"{registry.host}/team/app:1.0"
        message = made.fpack.fails("push", made.tar, reference, "--plain-http")
        assert "asks for credentials" in message and f"podman login {registry.host}" in message
        environ = log_in(tmp_path, registry, "me:wrong")
        message = made.fpack.fails("push", made.tar, reference, "--plain-http", env=environ)
        assert "refuses the credentials" in message and "wrong" not in message
        environ = log_in(tmp_path, registry)
        assert push(made, made.tar, reference, env=environ)["blobs"]["uploaded"]
        registry.clear()
        assert push(made, made.tar, reference, env=environ)["unchanged"]
        assert [method for method, _ in registry.requests] == ["HEAD", "GET", "HEAD"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["app"], "is not a reference"),
        (["team/app:1"], "is not a reference"),
        (["localhost:1/team/app@sha256:" + "0" * 64], "another digest"),
        (["localhost:1/team/app"], "cannot be reached"),
        (["localhost:1/team/"], "has no name"),
    ],
)
def test_mistakes(made: Greeter, words: list[str], message: str) -> None:
    image = "#image" if words[0].endswith("/") else str(made.tar)
    assert message in made.fpack.fails("push", image, *words, "--plain-http", cwd=made.project)


def test_files_that_are_no_images(made: Greeter, registry: Registry, tmp_path: Path) -> None:
    reference = f"{registry.host}/team/app"
    layout = tmp_path / "layout"
    made.fpack.pack("--format", "oci-dir", "-o", layout, cwd=made.project)
    largest = max((layout / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    assert "missing or incomplete" in made.fpack.fails("push", layout, reference, "--plain-http")
    largest.write_bytes(largest.read_bytes() + b"x")
    assert "refuses the blob" in made.fpack.fails("push", layout, reference, "--plain-http")
    (layout / "index.json").write_text('{"manifests": []}')
    assert "has no images" in made.fpack.fails("push", layout, reference, "--plain-http")
    assert registry.stored("team/app").tags == {}


def test_a_format_that_registries_do_not_keep(made: Greeter) -> None:
    message = made.fpack.fails("pack", "--push", "localhost:1/a", "--format", "deb", cwd=made.project)
    assert "--push needs an image" in message
