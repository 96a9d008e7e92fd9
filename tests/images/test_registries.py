"""Real registries and clients: what fpack pushes is what others pull, and a stopped push goes on.

Neither Debian's docker-registry nor sid's `crane registry serve` has the referrers API: test_referrers_api has one.
"""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.distribution.protocol import BlobSource
from fpack.builders.distribution.registry import RegistryRepository
from fpack.builders.distribution.transport import Settings
from support.images.greeter import Greeter, greeter
from support.processes.podman import podman_as
from support.processes.program import Fpack
from support.processes.serving import free_port
from support.servers.certificates import own_certificate
from support.servers.real_servers import ANONYMOUS, DockerRegistry, docker_registry, serving
from support.servers.registry import digest_of
from support.stores.shared import shared_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Greeter:
    return greeter(tmp_path_factory.mktemp("greeter") / "home")


def push(made: Greeter, image: str | Path, reference: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        made.fpack("push", "--json", image, reference, "--plain-http", cwd=made.project, **more).stdout
    )
    return found


@pytest.mark.podman
@pytest.mark.parametrize("mode", ["root", "rootless"])
def test_podman_pulls_the_same_digest(made: Greeter, registry: DockerRegistry, mode: str) -> None:
    pushed = push(made, "#image", f"{registry.host}/team/app:1.0")
    with podman_as(mode) as podman:
        name = f"{registry.host}/team/app:1.0"
        podman("pull", "-q", "--tls-verify=false", name)
        assert podman("image", "inspect", name, "--format", "{{.Digest}}").stdout.strip() == pushed["digest"]


def test_skopeo_sees_the_same_digest(made: Greeter, registry: DockerRegistry, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    name = f"{registry.host}/team/seen:1.0"
    pushed = push(made, made.tar, name)
    words = ["skopeo", "--insecure-policy"]
    found = subprocess.run(
        [*words, "inspect", "--tls-verify=false", f"docker://{name}"], capture_output=True, check=True
    )
    assert json.loads(found.stdout)["Digest"] == pushed["digest"]
    # What skopeo copies out, fpack pushes again.
    copy = [
        *words,
        "copy",
        "-q",
        "--preserve-digests",
        "--src-tls-verify=false",
        f"docker://{name}",
        f"oci:{tmp_path}/o:1",
    ]
    subprocess.run(copy, check=True)
    assert push(made, tmp_path / "o", f"{registry.host}/team/again")["digest"] == pushed["digest"]


def test_a_second_image_sends_new_blobs_alone(made: Greeter, registry: DockerRegistry, tmp_path: Path) -> None:
    new = {"XDG_CACHE_HOME": str(tmp_path)}  # without a record of what other tests pushed
    first = push(made, "#image", f"{registry.host}/team/shared:1", env=new)
    assert first["blobs"]["uploaded"] > 5
    before = registry.count("PUT", "/shared/blobs/uploads/")
    (made.project / "next.fp").write_text((made.project / "fpack.fp").read_text().replace("welcome", "good day"))
    second = push(made, "next.fp#image", f"{registry.host}/team/shared:2", env=new)
    assert 0 < second["blobs"]["uploaded"] == registry.count("PUT", "/shared/blobs/uploads/") - before < 8
    # Another repository gets the layers without being sent them.
    assert push(made, "#image", f"{registry.host}/other/shared:1", env=new)["blobs"]["uploaded"] < 3


def test_documents_are_listed_by_the_tag(made: Greeter, registry: DockerRegistry) -> None:
    pushed = push(made, "#image", f"{registry.host}/team/listed:1")
    found = registry.repository("team/listed").referrers(pushed["digest"])
    assert {entry.artifact_type for entry in found} == {
        "application/vnd.fpack.manifest.v2", "application/vnd.fpack.store.v1",
    }  # fmt: skip
    assert registry.repository("team/listed").tags("sha256-") == [pushed["digest"].replace(":", "-")]


def test_a_push_that_was_killed_goes_on(made: Greeter, registry: DockerRegistry, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    new = {"XDG_CACHE_HOME": str(tmp_path)}
    name = f"{registry.host}/team/killed:1"
    words = made.fpack.command("push", made.tar, name, "--plain-http")
    # While a thread reads the answers about its second blob.
    strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=recvfrom", "-e", "inject=recvfrom:signal=SIGKILL:when=5"]
    done = subprocess.run([*strace, *words], env={**made.fpack.env, **new}, cwd=made.project, capture_output=True)
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert registry.repository("team/killed").resolve("1") is None
    assert registry.count("PUT", "/killed/blobs/uploads/")
    second = push(made, made.tar, name, env=new)
    assert second["blobs"]["existing"] and registry.repository("team/killed").resolve("1") is not None


# Sends a blob of 48 MB in pieces, and is killed when the third one has begun.
KILLED_PUSHER = """if True:
    import os, signal, sys
    from pathlib import Path
    from fpack.builders.distribution import uploads
    from fpack.builders.distribution.protocol import BlobSource, Unavailable
    from fpack.builders.distribution.registry import RegistryRepository
    from fpack.builders.distribution.transport import Settings

    def chunks(offset):
        for at in range(offset, 48 << 20, 1 << 20):
            if at >= 2 * uploads.PIECE:
                os.kill(os.getpid(), signal.SIGKILL)
            yield bytes(1 << 20)

    def broken(self, location, offset, size):
        raise Unavailable("The only request of the whole blob was interrupted")

    uploads.Upload._finish = broken
    settings = Settings({}, backoff=0.0, uploads=Path(sys.argv[2]))
    repository = RegistryRepository(sys.argv[1], "team/resumed", "http", settings)
    repository.write_blob(BlobSource(sys.argv[3], 48 << 20, chunks))
"""


def test_a_blob_in_flight_goes_on_in_another_process(registry: DockerRegistry, tmp_path: Path) -> None:
    data = bytes(48 << 20)
    words = [sys.executable, "-c", KILLED_PUSHER, registry.host, str(tmp_path), digest_of(data)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    offsets: list[int] = []

    def chunks(offset: int) -> Iterator[bytes]:
        offsets.append(offset)
        yield data[offset:]

    settings = Settings(ANONYMOUS, backoff=0.0, uploads=tmp_path)
    repository = RegistryRepository(registry.host, "team/resumed", "http", settings)
    assert repository.write_blob(BlobSource(digest_of(data), len(data), chunks))
    assert offsets == [32 << 20], "the registry had two pieces of three"
    assert repository.has_blob(digest_of(data))


def test_a_registry_that_restarts_during_an_upload(made: Greeter, tmp_path: Path) -> None:
    """Its uploads lie on its disk; the client waits for it, and goes on."""
    data = bytes(range(256)) * 40_000
    restarts: list[int] = []

    def chunks(offset: int) -> Iterator[bytes]:
        for at in range(offset, len(data), 1 << 20):
            if at >= 4 << 20 and not restarts:
                restarts.append(at)
                registry.kill()
                registry.start()
            yield data[at : at + (1 << 20)]

    with docker_registry(tmp_path) as registry:
        repository = RegistryRepository(registry.host, "team/app", "http", Settings(ANONYMOUS, backoff=0.1))
        assert repository.write_blob(BlobSource(digest_of(data), len(data), chunks))
        assert repository.has_blob(digest_of(data)) and restarts


def test_an_untrusted_certificate(made: Greeter, tmp_path: Path) -> None:
    pem = own_certificate(tmp_path)
    context = ssl.create_default_context(cafile=f"{pem}.crt")
    tls = {"certificate": f"{pem}.crt", "key": str(pem)}
    with docker_registry(tmp_path, context=context, tls=tls) as registry:
        name = f"{registry.host}/team/app:1"
        message = made.fpack.fails("push", made.tar, name)
        assert "certificate was not accepted" in message and message.count("error:") == 1
        env = {"SSL_CERT_FILE": f"{pem}.crt"}
        assert json.loads(made.fpack("push", "--json", made.tar, name, env=env).stdout)["blobs"]["uploaded"]


@pytest.mark.network
def test_the_registry_of_crane(made: Greeter, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    tools = Fpack(tmp_path / "home")
    tools.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    crane = ("run", "--accept-expired", "debian.sid.crane", "--", "crane")
    tools(*crane, "version", status=None, timeout=300)  # fetches it
    host = f"localhost:{free_port()}"
    words = tools.command(*crane, "registry", "serve", "--address", host)
    with serving(words, f"http://{host}/v2/", env=tools.env, cwd=tools.home):
        pushed = push(made, "#image", f"{host}/team/app:1.0")
        repository = RegistryRepository(host, "team/app", "http", Settings(ANONYMOUS))
        found = repository.referrers(pushed["digest"])
        assert len(found) == 2
        assert tools(*crane, "digest", "--insecure", f"{host}/team/app:1.0").stdout.strip() == pushed["digest"]
        assert push(made, "#image", f"{host}/team/app:1.0")["unchanged"]
