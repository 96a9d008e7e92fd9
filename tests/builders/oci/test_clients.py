"""Images before others' eyes: the official schemas, skopeo, umoci, buildah, and podman, as root and without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.store.path import StorePath
from support.images.small_images import Node, Workshop, folder, link, program, static_program, walk
from support.processes.podman import Podman, podman_as

SCHEMAS = Path("/usr/share/gocode/src/github.com/opencontainers/image-spec/schema")
CODECS = ["zstd", "gzip", "none"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("images") / "fpack")


def make(shop: Workshop, compress: str, run: bytes, **args: Any) -> StorePath:
    tool = shop.plain("tool-1.2", {"bin/tool": program(run), "share/note": b"note"})
    slices = {
        "base-files": {"etc/os-release": b"ID=debian\n", "etc/debian_version": b"13\n", "usr/lib": folder()},
        "show": {"usr/bin/show": program(run), "usr/bin/su": Node(run, 0o4755), "usr/share/größe": b"x" * 70_000},
        **{f"p{i}": {f"usr/share/{'long' * 40}/p{i}": b"%d" % i} for i in range(12)},
    }
    generated = {
        "bin": link("usr/bin"),
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\napp:x:999:998::/home/app:/bin/sh\n",
        "etc/group": b"root:x:0:\napp:x:998:\n",
        "root": folder(0o700),
        "tmp": folder(0o1777),
    }
    files = shop.files(
        {"path": "/data", "kind": "directory", "mode": 0o750, "uid": 999, "gid": 998},
        {"path": "/tmp/made", "text": "made", "mode": 0o600, "uid": 999, "gid": 998},
    )
    config = {
        "user": "app",
        "env": {"GREETING": "good day"},
        "workdir": "/data",
        "ports": [5432],
        "volumes": ["/data"],
        "labels": {"org.opencontainers.image.title": "show"},
        "stop_signal": "SIGINT",
        "healthcheck": {"command": ["/usr/bin/show"], "interval": 30},
    }
    root = shop.root(slices, generated)
    return shop.image(
        root, config, files=files, paths=[tool], program="show", compress=compress, max_layers=8, tag="7", **args
    )


@pytest.fixture(scope="module", params=CODECS)
def image(request: pytest.FixtureRequest, shop: Workshop) -> StorePath:
    return make(shop, request.param, b"a program\n")


@pytest.fixture
def layout(shop: Workshop, image: StorePath, tmp_path: Path) -> Path:
    shop.layout(image, tmp_path / "layout")
    return tmp_path / "layout"


def _without_ids(schema: Any) -> Any:
    """Return a schema whose references are relative to its file, as they are meant, and not to its identifiers."""
    if isinstance(schema, dict):
        return {k: _without_ids(v) for k, v in schema.items() if k != "id" or not isinstance(v, str)}
    return [_without_ids(item) for item in schema] if isinstance(schema, list) else schema


def test_the_official_schemas(layout: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    if not SCHEMAS.is_dir():
        pytest.skip("golang-github-opencontainers-image-spec-dev is not installed")
    documents = {p.name: _without_ids(json.loads(p.read_bytes())) for p in SCHEMAS.glob("*.json")}
    draft = referencing.jsonschema.DRAFT4
    registry = referencing.Registry().with_resources((name, draft.create_resource(d)) for name, d in documents.items())

    def valid(schema: str, document: Any) -> None:
        jsonschema.Draft4Validator({"$ref": schema}, registry=registry).validate(document)

    found = walk(layout)
    valid("image-layout-schema.json", json.loads((layout / "oci-layout").read_bytes()))
    valid("image-index-schema.json", found["index"])
    valid("image-manifest-schema.json", found["manifest"])
    valid("config-schema.json", found["config"])
    with pytest.raises(jsonschema.ValidationError):
        valid("image-manifest-schema.json", {**found["manifest"], "layers": [{"digest": "md5"}]})


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive"])
def test_skopeo_copies_every_form(
    shop: Workshop, image: StorePath, layout: Path, tmp_path: Path, transport: str
) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    result = shop.tar(image, tmp_path / "image.tar")
    source = {"oci": f"oci:{layout}:7", "oci-archive": f"oci-archive:{tmp_path}/image.tar:7"}.get(
        transport, f"docker-archive:{tmp_path}/image.tar:localhost/test:7"
    )
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    skopeo = ["skopeo", "--policy", str(policy), "--tmpdir", str(tmp_path)]
    inspected = json.loads(subprocess.run([*skopeo, "inspect", source], capture_output=True, check=True).stdout)
    assert inspected["Architecture"] == "amd64" and "GREETING=good day" in inspected["Env"]
    preserve = ["--preserve-digests"] if transport != "docker-archive" else []
    subprocess.run([*skopeo, "copy", *preserve, source, f"oci:{tmp_path}/copy:7"], capture_output=True, check=True)
    copied = json.loads((tmp_path / "copy/index.json").read_bytes())["manifests"][0]
    manifest = json.loads((tmp_path / "copy/blobs" / copied["digest"].replace(":", "/")).read_bytes())
    if transport != "docker-archive":
        # Not a byte is changed on the way.
        assert copied["digest"] == result["digest"] == inspected["Digest"]
        assert manifest["config"]["digest"] == result["image_id"]
    config = json.loads((tmp_path / "copy/blobs" / manifest["config"]["digest"].replace(":", "/")).read_bytes())
    assert config["rootfs"] == walk(layout)["config"]["rootfs"]


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
def test_buildah_begins_with_it(shop: Workshop, image: StorePath, layout: Path, tmp_path: Path, transport: str) -> None:
    if not shutil.which("buildah") or os.getuid():
        pytest.skip("buildah is not installed, or would need set-up for this user")
    result = shop.tar(image, tmp_path / "image.tar")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    own = ["--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs"]
    source = f"oci:{layout}:7" if transport == "oci" else f"oci-archive:{tmp_path}/image.tar:7"
    begin = ["buildah", *own, "from", "--signature-policy", str(policy), source]
    name = subprocess.run(begin, capture_output=True, text=True, check=True).stdout.strip()
    shown = subprocess.run(["buildah", *own, "inspect", name], capture_output=True, check=True).stdout
    found = json.loads(shown)
    subprocess.run(["buildah", *own, "rm", name], capture_output=True, check=True)
    assert "GREETING=good day" in found["OCIv1"]["config"]["Env"]
    assert found["FromImageID"] == result["image_id"].partition(":")[2]


def test_umoci_unpacks_it(shop: Workshop, tmp_path: Path) -> None:
    if not shutil.which("umoci"):
        pytest.skip("umoci is not installed")
    shop.layout(make(shop, "gzip", b"a program\n"), tmp_path / "layout")
    rootless = [] if os.getuid() == 0 else ["--rootless"]
    command = ["umoci", "unpack", *rootless, "--image", f"{tmp_path}/layout:7", str(tmp_path / "bundle")]
    subprocess.run(command, capture_output=True, check=True)
    root = tmp_path / "bundle/rootfs"
    assert (root / "usr/share/größe").stat().st_size == 70_000
    assert oct((root / "tmp").stat().st_mode) == "0o41777"
    assert len(list((root / "usr/share" / ("long" * 40)).iterdir())) == 12
    assert (root / "usr/bin/show").stat().st_mtime == 315619200


@pytest.fixture(scope="module", params=["root", "rootless"])
def podman(request: pytest.FixtureRequest) -> Iterator[Podman]:
    with podman_as(request.param) as made:
        yield made


@pytest.mark.podman
@pytest.mark.parametrize("compress", CODECS)
def test_podman_runs_it(podman: Podman, shop: Workshop, tmp_path: Path, compress: str) -> None:
    image = make(shop, compress, static_program())
    result = shop.tar(image, tmp_path / "image.tar")
    # podman keeps the manifest under which it first saw an image's ID.
    podman("rmi", "-af")
    name = podman.load(tmp_path / "image.tar")
    assert name == "localhost/test:7"
    assert f"sha256:{podman.image_id(name)}" == result["image_id"]
    digest = podman("image", "inspect", "-f", "{{.Digest}}", name).stdout.strip()
    assert digest == result["digest"]
    paths = ["/data", "/tmp", "/tmp/made", "/root", "/bin", "/usr/bin/su", "/usr/share/größe", "/fpack/store"]
    shown = podman.run(name, *paths, "$GREETING", "$PATH", "$HOME").stdout.splitlines()
    assert shown == [
        "uid 999 gid 998",
        "/data: 40750 999:998 315619200",
        "/tmp: 41777 0:0 315619200",
        "/tmp/made: 100600 999:998 315619200",
        "/root: 40700 0:0 315619200",
        "/bin: 120777 0:0 315619200",
        "/usr/bin/su: 104755 0:0 315619200",
        "/usr/share/größe: 100644 0:0 315619200",
        "/fpack/store: 40755 0:0 315619200",
        "GREETING=good day",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/home/app",
    ]
    config = json.loads(podman("image", "inspect", name).stdout)[0]["Config"]
    assert (config["StopSignal"], config["WorkingDir"]) == ("SIGINT", "/data")
    assert config["ExposedPorts"] == {"5432/tcp": {}}


@pytest.mark.podman
def test_podman_runs_a_store_path(podman: Podman, shop: Workshop, tmp_path: Path) -> None:
    tool = shop.plain("tool-1.2", {"bin/tool": program(static_program())})
    image = shop.image(None, {"entrypoint": [f"{tool}/bin/tool"]}, paths=[tool], name="tool")
    shop.tar(image, tmp_path / "image.tar")
    name = podman.load(tmp_path / "image.tar")
    expected = f"uid 0 gid 0\n{tool}: 40755 0:0 315619200\n"
    assert podman.run(name, str(tool)).stdout == expected
    # Output that podman loses is that of the container's log. podman shows only the streams that it attaches to.
    assert podman.run(name, str(tool), options=["--attach=stderr"]).stdout == expected


@pytest.mark.podman
@pytest.mark.parametrize("compress", ["zstd", "none"])
def test_podman_takes_the_docker_half_alone(podman: Podman, shop: Workshop, tmp_path: Path, compress: str) -> None:
    """Docker without containerd's store reads `manifest.json`, with layers of any codec."""
    image = shop.image(
        shop.root({"show": {"usr/bin/show": program(static_program())}}), compress=compress, program="show"
    )
    result = shop.tar(image, tmp_path / "image.tar")
    archive = podman.share(tmp_path / "image.tar")
    podman("pull", "-q", f"docker-archive:{archive}")
    assert f"sha256:{podman.image_id('localhost/test:latest')}" == result["image_id"]
    assert podman.run("localhost/test:latest").stdout == "uid 0 gid 0\n"
