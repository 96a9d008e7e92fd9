"""Caches in Debian's docker-registry, behind nginx and in moto's buckets: push, fetch, check, claim, collect."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from fpack.builders.caches.check import check
from fpack.builders.caches.claims import BuildClaims
from fpack.builders.caches.gc import collect
from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Repository
from support.caches import Graph, machine
from support.serving import free_port

pytestmark = pytest.mark.network
PATHS = 40  # enough that several processes unpack them


def program_of(name: str, place: Path) -> Path:
    """Return a server's program: the installed one, or that of Debian's package, which is not installed.

    An installation would start the server of the machine.
    """
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is not None:
        return Path(found)
    subprocess.run(["apt-get", "download", "-qq", name], cwd=place, check=True, capture_output=True)
    [package] = place.glob(f"{name}_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, place / "package"], check=True)
    return place / "package/usr/sbin" / name


@contextmanager
def running(words: Sequence[str | Path], url: str) -> Iterator[None]:
    """Run a server until it is no longer needed. url: of an answer, of any status."""
    server = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=10).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


@contextmanager
def docker_registry(place: Path) -> Iterator[Repository]:
    port = free_port()
    value = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(place / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (place / "registry.yml").write_text(json.dumps(value))
    with running(
        [program_of("docker-registry", place), "serve", place / "registry.yml"], f"http://127.0.0.1:{port}/v2/"
    ):
        yield open_repository(f"oci://127.0.0.1:{port}/team/cache", plain_http=True)


@contextmanager
def moto(place: Path) -> Iterator[Repository]:
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("there is no moto_server")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running([program, "-H", "127.0.0.1", "-p", str(port)], url):
        urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT")).close()
        environ = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        yield open_repository("s3://bucket/cache", environ=environ)


@contextmanager
def nginx(place: Path) -> Iterator[str]:
    """Serve the directory `cache`, and yield its address."""
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {place}/{kind};" for kind in kinds)
    (place / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {place}/nginx.pid; error_log {place}/error.log; events {{}}\n"
        f"http {{ {temporary} access_log off; server {{ listen 127.0.0.1:{port}; root {place}; }} }}\n"
    )
    with running([program_of("nginx", place), "-p", place, "-c", place / "nginx.conf"], f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}/cache"


@pytest.mark.parametrize("server", [docker_registry, moto])
def test_a_cache_in_a_real_server(tmp_path: Path, server: object) -> None:
    graph = Graph()
    outputs = [graph.add("p0")]
    for number in range(1, PATHS):
        outputs.append(graph.add(f"p{number}", "", [outputs[number - 1]]))
    with server(tmp_path) as repository, machine(tmp_path / "producer", repository) as producer:  # type: ignore[operator]
        built = producer.build(graph, outputs[-1])
        assert len(producer.push(built).pushed) == PATHS
        assert producer.push(built).written == 0
        with machine(tmp_path / "reader", repository) as reader:
            assert reader.build(graph, outputs[-1]) == built
            assert reader.builder.built == [] and reader.warnings == []
            assert check(reader.cache, reader.store).faults == ()
        one, two = BuildClaims(repository), BuildClaims(repository)
        if one.take(bytes(20)) and repository.tags("b-0"):  # it deletes tags
            assert not two.take(bytes(20))
        one.close()
        two.close()
        assert len(collect(producer.cache, -1).dropped) == PATHS
        assert producer.open(repository).refresh() and producer.cache.record(built[0].base) is None
        assert len(producer.push(built).pushed) == PATHS
        assert check(producer.cache, producer.store).faults == ()


def test_a_cache_behind_nginx(tmp_path: Path) -> None:
    graph = Graph()
    outputs = [graph.add(f"p{number}", f"text {number}") for number in range(PATHS)]
    with machine(tmp_path / "producer", DirectoryRepository(tmp_path / "cache")) as producer:
        built = producer.build(graph, *outputs)
        producer.push(built)
    with nginx(tmp_path) as address, machine(tmp_path / "reader", open_repository(address, plain_http=True)) as reader:
        assert reader.build(graph, *outputs) == built
        assert reader.builder.built == [] and reader.warnings == []
        assert check(reader.cache, reader.store).faults == ()
