"""Caches in Debian's docker-registry, behind nginx and in moto's buckets: push, fetch, check, claim, collect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fpack.builders.caches.check import check
from fpack.builders.caches.claims import BuildClaims
from fpack.builders.caches.gc import collect
from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Repository
from support.servers.real_servers import docker_registry, fetched, moto, nginx
from support.stores.caches import Graph, machine

pytestmark = pytest.mark.network
PATHS = 40  # enough that several processes unpack them


@contextmanager
def registry_cache(place: Path) -> Iterator[Repository]:
    with docker_registry(place, fetched("docker-registry", place)) as registry:
        yield open_repository(f"oci://{registry.host}/team/cache", plain_http=True)


@contextmanager
def bucket_cache(_place: Path) -> Iterator[Repository]:
    with moto() as environ:
        yield open_repository("s3://bucket/cache", environ=environ)


@pytest.mark.parametrize("server", [registry_cache, bucket_cache])
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
    with (
        nginx(tmp_path, fetched("nginx", tmp_path)) as address,
        machine(tmp_path / "reader", open_repository(f"{address}/cache", plain_http=True)) as reader,
    ):
        assert reader.build(graph, *outputs) == built
        assert reader.builder.built == [] and reader.warnings == []
        assert check(reader.cache, reader.store).faults == ()
