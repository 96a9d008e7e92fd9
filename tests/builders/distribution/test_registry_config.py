"""Mirrors, other places and blocked registries, as containers-registries.conf has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.distribution.addresses import BadAddress, open_repository
from fpack.builders.distribution.mirrored import MirroredRepository
from fpack.builders.distribution.protocol import Denied, Unavailable
from fpack.builders.distribution.reference import BadReference, parse_reference
from fpack.builders.distribution.registry_config import BadRegistryConfig, RegistryPlace, Route, find
from support.servers.registry import Registry, open_registry
from support.servers.repositories import MANIFEST, digest_of, entry, manifest, read, write

DATA = bytes(range(256)) * 3000
CONFIG = """
unqualified-search-registries = ["a.example"]
[[registry]]
prefix = "r.example/team"
location = "inside:5000/all/team"
[[registry.mirror]]
location = "localhost:1/mirror"
insecure = true
[[registry.mirror]]
location = "m.example/m"
pull-from-mirror = "tag-only"
[[registry]]
location = "r.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "other.example"
[[registry]]
prefix = "*.bad.example"
blocked = true
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "registries.conf").write_text(CONFIG)
    return {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("free.example/a", Route(RegistryPlace("free.example", "a"))),
        ("r.example/teams/a", Route(
            RegistryPlace("r.example", "teams/a"), (RegistryPlace("other.example", "teams/a", False, "digest-only"),)
        )),
        ("r.example/team/a", Route(
            RegistryPlace("inside:5000", "all/team/a"),
            (RegistryPlace("localhost:1", "mirror/a", True), RegistryPlace("m.example", "m/a", False, "tag-only")),
        )),
        ("x.bad.example/a", Route(RegistryPlace("x.bad.example", "a"), (), "*.bad.example")),
        ("bad.example/a", Route(RegistryPlace("bad.example", "a"))),
    ],
)  # fmt: skip
def test_routes(environ: dict[str, str], text: str, route: Route) -> None:
    assert find(parse_reference(text), environ) == route


@pytest.mark.parametrize(
    ("host", "main"),
    [
        ("a.example", "all.example"),
        ("a.team.example", "team.example"),
        ("b.team.example", "team.example"),
        ("c.team.example", "exact.example"),
        ("c.team.example:5000", "team.example"),
        ("team.example", "all.example"),
    ],
)
def test_the_longest_prefix_counts_also_of_wildcards(tmp_path: Path, host: str, main: str) -> None:
    rows = {"*.example": "all", "*.team.example": "team", "c.team.example": "exact"}
    config = "".join(
        f'[[registry]]\nprefix = "{prefix}"\n[[registry.mirror]]\nlocation = "{name}.example"\n'
        for prefix, name in rows.items()
    )
    (tmp_path / "registries.conf").write_text(config)
    environ = {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}
    (mirror,) = find(parse_reference(f"{host}/app"), environ).mirrors
    assert (mirror.host, mirror.repository) == (main, "app")


def test_later_files_go_first(tmp_path: Path) -> None:
    home = tmp_path / "config/containers"
    (home / "registries.conf.d").mkdir(parents=True)
    (home / "registries.conf").write_text('[[registry]]\nlocation = "a.example"\nblocked = true\n')
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
    assert find(parse_reference("a.example/b"), environ).blocked
    (home / "registries.conf.d/1.conf").write_text('[[registry]]\nprefix = "a.example"\nlocation = "b.example"\n')
    assert find(parse_reference("a.example/b"), environ) == Route(RegistryPlace("b.example", "b"))


def test_a_damaged_file_is_an_error(environ: dict[str, str]) -> None:
    Path(environ["CONTAINERS_REGISTRIES_CONF"]).write_text("[[")
    with pytest.raises(BadRegistryConfig):
        open_repository("a.example/b", environ=environ)


def test_a_blocked_registry(environ: dict[str, str]) -> None:
    with pytest.raises(Denied, match="blocks"):
        open_repository("oci://x.bad.example/a", environ=environ)


@pytest.fixture
def servers() -> Iterator[tuple[Registry, Registry]]:
    with Registry() as main, Registry() as mirror:
        yield main, mirror


def mirrored(servers: tuple[Registry, Registry], pull: str = "all") -> MirroredRepository:
    main, mirror = servers
    return MirroredRepository(open_registry(main), [(open_registry(mirror, retries=0), pull)])


def test_a_mirror_is_read_first_and_never_written(servers: tuple[Registry, Registry]) -> None:
    main, mirror = servers
    app = mirrored(servers)
    app.write_manifest(manifest(app, DATA), MANIFEST, "1")
    assert not mirror.count("PUT") and app.manifest("1") is not None and read(app, entry(DATA)) == DATA
    other = open_registry(mirror)
    other.write_manifest(manifest(other, DATA), MANIFEST, "1")
    main.clear()
    assert app.resolve("1") is not None and app.manifest("1") is not None and read(app, entry(DATA)) == DATA
    assert main.requests == []
    assert app.tags() == ["1"] and app.referrers(digest_of(DATA)) == [] and app.has_blob(digest_of(DATA))
    assert main.count("GET") == 2 and main.count("HEAD") == 1


def test_a_mirror_of_digests_is_not_asked_for_tags(servers: tuple[Registry, Registry]) -> None:
    app = mirrored(servers, "digest-only")
    written = app.write_manifest(manifest(app), MANIFEST, "1")
    assert app.resolve("1") is not None and servers[1].requests == []
    assert app.manifest(written.digest) is not None and servers[1].count("GET") == 1


def test_a_mirror_tells_the_documents_if_the_registry_cannot_be_reached(servers: tuple[Registry, Registry]) -> None:
    main, mirror = servers
    app, other = mirrored(servers), open_registry(mirror)
    subject = other.write_manifest(manifest(other), MANIFEST, "1")
    written = other.write_manifest(manifest(other, DATA, subject=subject.value()), MANIFEST)
    assert app.referrers(subject.digest) == []
    main.fail("GET", 503)
    assert [found.digest for found in app.referrers(subject.digest)] == [written.digest]
    mirror.fail("GET", 404)
    with pytest.raises(Unavailable):
        app.referrers(subject.digest)


@pytest.mark.parametrize("fault", ["fail", "truncate"])
def test_a_mirror_that_fails_is_passed_over(servers: tuple[Registry, Registry], fault: str) -> None:
    app = mirrored(servers)
    for server in servers:
        write(open_registry(server), DATA)
    if fault == "fail":
        servers[1].fail("GET", 500)
    else:
        servers[1].truncate("GET", 300_000)
    assert read(app, entry(DATA)) == DATA
    assert read(app, entry(DATA), 10, 20) == DATA[10:30]


def test_wrong_content_of_a_mirror_is_passed_over(servers: tuple[Registry, Registry]) -> None:
    """The next mirror, or the registry itself, has the blob; the mirror is not asked again."""
    main, bad = servers
    with Registry() as good:
        app = MirroredRepository(open_registry(main), [(open_registry(one, retries=0), "all") for one in (bad, good)])
        for server in (main, bad, good):
            write(open_registry(server), DATA)
        bad.corrupt("GET")
        main.clear()
        assert read(app, entry(DATA)) == DATA and not main.count("GET")
        asked = bad.count("GET")
        good.corrupt("GET")
        assert read(app, entry(DATA)) == DATA
        assert bad.count("GET") == asked and main.count("GET") == 1


def test_two_mirrors_that_are_mixed_are_no_blob(servers: tuple[Registry, Registry]) -> None:
    """One ends in the middle, and the next one goes on with other bytes."""
    main, first = servers
    with Registry() as second:
        app = MirroredRepository(
            open_registry(main), [(open_registry(one, retries=0), "all") for one in (first, second)]
        )
        for server in (main, first, second):
            write(open_registry(server), DATA)
        first.truncate("GET", 300_000)
        second.corrupt("GET")
        assert read(app, entry(DATA)) == DATA


@pytest.mark.parametrize(
    "address", ["app", "ftp://a/b", "oci://a.example/b:1", "file://host/a", "file:a", "file:///a%00"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises((BadAddress, BadReference)) as caught:
        open_repository(address, environ={})
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("address", ["s3://bucket/x", "https://localhost:1/x", "oci://localhost:1/x"])
def test_nothing_is_asked_offline(address: str) -> None:
    environ = {"FPACK_OFFLINE": "1", "AWS_ENDPOINT_URL": "http://localhost:1"}
    with pytest.raises(Unavailable) as caught:
        open_repository(address, environ=environ).tags()
    assert caught.value.why == "fpack is offline"
