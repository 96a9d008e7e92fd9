"""The packed postgres does in podman what docker.io's postgres image does, as root, and rootless where that can matter.

So do the images of the server that `examples/postgres` builds from source, which takes minutes: with -m long.

FPACK_TEST_POSTGRES_TAR names an image archive to test instead of a freshly packed one, FPACK_TEST_POSTGRES_SOURCE_TAR
and FPACK_TEST_POSTGRES_WITHOUT_ICU_TAR one of each of those from source.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.archives.curated import Load, Pack
from support.paths import REPOSITORY
from support.processes.podman import Container, Podman, Result
from support.processes.serving import free_port
from support.time_limits import WAIT

pytestmark = [pytest.mark.podman, pytest.mark.network]

# What podman's user decides is who owns files and volumes, which ports there are, and how signals arrive. The rest is
# within the container.
once = pytest.mark.parametrize("podman", ["rootless" if os.getuid() else "root"], indirect=True)
DATA = "/var/lib/postgresql/data"
PASSWORD = "a pass'word"


class Variant(NamedTuple):
    """One of the images. what: what is packed; variable: names an archive of it; limit: bytes of its layers."""

    what: str
    variable: str
    limit: int
    icu: bool = True


DEBIAN = Variant("postgres", "FPACK_TEST_POSTGRES_TAR", 31_500_000)
SOURCE = Variant("image", "FPACK_TEST_POSTGRES_SOURCE_TAR", 29_800_000)
WITHOUT_ICU = Variant("image-without-icu", "FPACK_TEST_POSTGRES_WITHOUT_ICU_TAR", 15_800_000, icu=False)
EXAMPLE = REPOSITORY / "examples" / "postgres"


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(DEBIAN, id="debian"),
        pytest.param(SOURCE, id="source", marks=pytest.mark.long),
        pytest.param(WITHOUT_ICU, id="without-icu", marks=pytest.mark.long),
    ],
)
def variant(request: pytest.FixtureRequest) -> Variant:
    variant: Variant = request.param
    return variant


@pytest.fixture(scope="session")
def archive(
    variant: Variant, fpack: Callable[..., Any], packed: Pack, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    given = os.environ.get(variant.variable)
    if given:
        return Path(given)
    if variant is DEBIAN:
        return packed("postgres").file
    place = tmp_path_factory.mktemp("postgres")
    shutil.copytree(EXAMPLE, place / "example", ignore=shutil.ignore_patterns("*.lock", "*.tar", "result"))
    file = place / "postgres.tar"
    fpack("pack", f"{place}/example/fpack.fp#{variant.what}", "-o", file, timeout=3600)
    return file


@pytest.fixture
def icu(variant: Variant) -> None:
    if not variant.icu:
        pytest.skip("this server has neither ICU nor what Debian builds with it")


@pytest.fixture(scope="session")
def image(podman: Podman, variant: Variant, archive: Path, load: Load) -> str:
    return (
        load(podman, "postgres") if variant is DEBIAN and variant.variable not in os.environ else podman.load(archive)
    )


def env(**variables: str) -> list[str]:
    return [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]


def first_start(
    podman: Podman, image: str, *command: str, options: list[str] | None = None, **variables: str
) -> Result:
    """Run a container that is expected to end by itself."""
    return podman.run(image, *command, options=[*env(**variables), *(options or [])], check=False)


@contextmanager
def server(
    podman: Podman, image: str, *command: str, options: list[str] | None = None, network: str = "none", **variables: str
) -> Iterator[Container]:
    """Yield a server that accepts connections."""
    options = [*env(**variables), *(options or [])]
    container = podman.start(image, *command, options=options, network=network)
    try:
        wait_until_ready(container)
        yield container
    finally:
        podman.remove(container.name)


def wait_until_ready(container: Container, seconds: float = WAIT) -> None:
    """Wait for TCP: the server that runs the init files has none."""
    end = time.monotonic() + seconds
    while container.exec("pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", check=False).returncode:
        assert container.running() and time.monotonic() < end, container.logs()
        time.sleep(0.2)


def sql(container: Container, query: str, *options: str, user: str = "postgres", check: bool = True) -> str:
    """Return the output of a query over the socket, which needs no password."""
    arguments = ["psql", "-U", user, "-v", "ON_ERROR_STOP=1", "-XAtq", *options, "-c", query]
    result = container.exec(*arguments, check=check)
    return (result.stdout if check else result.stdout + result.stderr).strip()


def over_tcp(podman: Podman, image: str, container: Container, query: str, **variables: str) -> Result:
    """Return a query by a client in another container that shares the server's network."""
    command = ["psql", "-h", "127.0.0.1", "-U", "postgres", "-w", "-XAtq", "-c", query]
    return podman.run(image, *command, network=f"container:{container.name}", options=env(**variables), check=False)


@pytest.fixture(scope="module")
def running(podman: Podman, image: str) -> Iterator[Container]:
    """Yield one server for the tests that only ask it something."""
    with server(podman, image, POSTGRES_PASSWORD=PASSWORD) as container:
        yield container


# What the image says of itself


@once
def test_the_configuration_is_that_of_the_official_image(podman: Podman, image: str) -> None:
    config = json.loads(podman("image", "inspect", image).stdout)[0]["Config"]
    variables = dict(v.split("=", 1) for v in config["Env"])
    assert variables["PGDATA"] == DATA and variables["PG_MAJOR"] == "17"
    assert variables["PATH"].endswith(":/usr/lib/postgresql/17/bin")
    assert config["Entrypoint"] == ["docker-entrypoint.sh"] and config["Cmd"] == ["postgres"]
    assert list(config["ExposedPorts"]) == ["5432/tcp"] and list(config["Volumes"]) == [DATA]
    assert config["StopSignal"] in ("SIGINT", "2")
    assert config["User"] in ("postgres", "999:999", "999")
    assert podman.run(image, "id", "-u").stdout == podman.run(image, "id", "-g").stdout == "999\n"


def test_the_image_is_small(variant: Variant, archive: Path) -> None:
    if variant is DEBIAN and os.environ.get(variant.variable):
        pytest.skip("an archive that fpack may not have written")
    with tarfile.open(archive) as tar:
        read: Callable[[str], Any] = lambda name: json.load(tar.extractfile(name))  # type: ignore[arg-type]  # noqa: E731
        blob: Callable[[str], str] = lambda digest: f"blobs/{digest.replace(':', '/')}"  # noqa: E731
        manifest = read(blob(read("index.json")["manifests"][0]["digest"]))
        assert sum(layer["size"] for layer in manifest["layers"]) <= variant.limit
    assert archive.stat().st_size <= variant.limit + 400_000  # its manifest is in it


@once
def test_every_program_starts(podman: Podman, image: str) -> None:
    script = (
        'cd /usr/lib/postgresql/17/bin && for p in *; do "./$p" --version >/dev/null || echo "$p"; done; ls | wc -l'
    )
    *failed, number = podman.run(image, "bash", "-c", script).stdout.split()
    assert failed == [] and int(number) >= 35
    scripts_use = "awk basename bash cat chmod chown cp cut date dirname env find getent grep gunzip gzip head id ln ls"
    scripts_use += " mkdir mktemp mv printf readlink realpath rm sed sh sha256sum sleep sort stat tail tee test timeout"
    scripts_use += " touch tr uname uniq wc xargs xz zcat"
    absent = podman.run(
        image, "sh", "-c", f"for p in {scripts_use}; do command -v $p >/dev/null || echo $p; done"
    ).stdout
    assert absent == ""


# Arguments


@once
def test_other_commands_run_as_they_are(podman: Podman, image: str) -> None:
    assert podman.run(image, "echo", "a  b").stdout == "a  b\n"
    assert podman.run(image, "postgres", "--version").stdout.startswith("postgres (PostgreSQL) 17.")
    assert podman.run(image, "-V").stdout.startswith("postgres (PostgreSQL) 17.")
    assert podman.run(image, "false", check=False).returncode == 1


@once
def test_arguments_reach_the_server(podman: Podman, image: str) -> None:
    settings = ["-c", "max_connections=42", "-c", "shared_preload_libraries=pg_stat_statements"]
    with server(podman, image, *settings, POSTGRES_PASSWORD="x") as container:
        assert sql(container, "show max_connections") == "42"
        sql(container, "create extension pg_stat_statements")
        assert int(sql(container, "select count(*) from pg_stat_statements")) > 0


def test_a_port_of_the_host(podman: Podman, image: str) -> None:
    port = free_port()
    container = podman.start(
        image, "postgres", "-p", str(port), "-c", "listen_addresses=127.0.0.1", network="host",
        options=env(POSTGRES_PASSWORD="x"),
    )  # fmt: skip
    try:
        container.wait_for(f'listening on IPv4 address "127.0.0.1", port {port}')
        answer = b""
        end = time.monotonic() + WAIT
        while not answer and time.monotonic() < end:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(bytes.fromhex("0000000804d2162f"))  # SSLRequest
                answer = client.recv(1)
        assert answer == b"N"  # no certificate was given
    finally:
        assert container.stop(60) == 0


# The first start


def test_the_password_is_asked_for(podman: Podman, image: str, running: Container) -> None:
    right = over_tcp(podman, image, running, "select 6 * 7", PGPASSWORD=PASSWORD)
    assert (right.returncode, right.stdout) == (0, "42\n"), right.stderr
    wrong = over_tcp(podman, image, running, "select 1", PGPASSWORD="wrong")
    assert wrong.returncode == 2 and "password authentication failed" in wrong.stderr
    none = over_tcp(podman, image, running, "select 1")
    assert none.returncode == 2 and "no password supplied" in none.stderr
    assert sql(running, "select left(rolpassword, 13) from pg_authid where rolname = 'postgres'") == "SCRAM-SHA-256"


@once
def test_no_password_is_refused(podman: Podman, image: str) -> None:
    result = first_start(podman, image)
    assert result.returncode == 1
    assert "POSTGRES_PASSWORD" in result.stderr and "POSTGRES_HOST_AUTH_METHOD=trust" in result.stderr
    assert "initdb" not in result.stdout


@once
def test_trust_needs_no_password_but_warns(podman: Podman, image: str) -> None:
    with server(podman, image, POSTGRES_HOST_AUTH_METHOD="trust") as container:
        assert over_tcp(podman, image, container, "select 1").stdout == "1\n"
        assert "WARNING: POSTGRES_HOST_AUTH_METHOD" in container.logs()


@once
def test_another_method_of_authentication(podman: Podman, image: str) -> None:
    with server(podman, image, POSTGRES_PASSWORD="x", POSTGRES_HOST_AUTH_METHOD="md5") as container:
        hba = sql(container, "select auth_method from pg_hba_file_rules where type = 'host' and address = 'all'")
        assert hba == "md5"
        assert over_tcp(podman, image, container, "select 1", PGPASSWORD="x").stdout == "1\n"
        assert over_tcp(podman, image, container, "select 1", PGPASSWORD="y").returncode == 2


@once
def test_user_and_database_and_secrets(podman: Podman, image: str, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, text in {"password": "top secret\n", "user": "ada", "database": "Analytical Engine\n"}.items():
        (secrets / name).write_text(text)
    secrets.chmod(0o755)
    options = ["-v", f"{podman.share(secrets)}:/secrets:ro"]
    files = {
        "POSTGRES_PASSWORD_FILE": "/secrets/password",
        "POSTGRES_USER_FILE": "/secrets/user",
        "POSTGRES_DB_FILE": "/secrets/database",
    }
    with server(podman, image, options=options, **files) as container:
        query = "select current_user, current_database(), (select rolsuper from pg_roles where rolname = current_user)"
        uri = "postgresql://ada:top%20secret@127.0.0.1/Analytical%20Engine"
        assert container.exec("psql", uri, "-XAtqc", query).stdout == "ada|Analytical Engine|t\n"
    both = first_start(podman, image, options=options, POSTGRES_PASSWORD="x", **files)
    assert both.returncode == 1
    assert "POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set" in both.stderr
    unreadable = first_start(podman, image, POSTGRES_PASSWORD_FILE="/nowhere")
    assert unreadable.returncode == 1 and "/nowhere" in unreadable.stderr


def init_directory(directory: Path, files: Mapping[str, bytes]) -> Path:
    directory.mkdir()
    directory.chmod(0o755)
    for name, content in files.items():
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o755 if content.startswith(b"#!/usr/bin/env") else 0o644)
    return directory


@once
def test_init_files_run_in_order(podman: Podman, image: str, tmp_path: Path) -> None:
    files = {
        "10-first.sql": b"create table ran (n serial, name text); insert into ran (name) values ('sql');",
        "20-packed.sql.gz": gzip.compress(b"insert into ran (name) values ('gz');"),
        "30-executable.sh": b'#!/usr/bin/env bash\n[ -n "$PGPASSWORD" ] && psql -U "$POSTGRES_USER" '
        b'-d "$POSTGRES_DB" -c "insert into ran (name) values (\'executable\')"\n',
        "40-read-in.sh": b"#!/bin/bash\nwords=(read in)\nif [[ ${#words[@]} == 2 ]]; then\n"
        b"docker_process_sql <<< \"insert into ran (name) values ('${words[*]}')\"\nfi\n",
        "50-packed.sql.xz": lzma.compress(b"insert into ran (name) values ('xz');"),
        "60-again.sh": b"docker_process_sql -c \"insert into ran (name) values ('${words[0]} again')\"\n",
        "notes.txt": b"not for the database",
    }
    shared = podman.share(init_directory(tmp_path / "init", files))
    options = ["-v", f"{shared}:/docker-entrypoint-initdb.d:ro"]
    with server(podman, image, options=options, POSTGRES_PASSWORD=PASSWORD, POSTGRES_DB="shop") as container:
        ran = sql(container, "select string_agg(name, ',' order by n) from ran", "-d", "shop")
        assert ran == "sql,gz,executable,read in,xz,read again"
        assert "Leaving /docker-entrypoint-initdb.d/notes.txt alone" in container.logs()


@once
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.sql", b"select 1 / 0;"),
        ("a.sql.gz", gzip.compress(b"select 1;" * 9999)[:-9]),
        ("a.sh", b"docker_process_sql -c 'select nothing'"),
        ("b.sh", b"#!/usr/bin/env bash\nexit 3"),
    ],
    ids=["sql", "cut-off-gz", "read-in-sh", "executable-sh"],
)
def test_a_failed_init_file_stops_everything(
    podman: Podman, image: str, tmp_path: Path, name: str, content: bytes
) -> None:
    shared = podman.share(init_directory(tmp_path / "init", {name: content, "z.sql": b"select 'not reached';"}))
    volume = podman("volume", "create").stdout.strip()
    options = ["-v", f"{shared}:/docker-entrypoint-initdb.d:ro", "-v", f"{volume}:{DATA}"]
    failed = first_start(podman, image, options=options, POSTGRES_PASSWORD="x")
    assert failed.returncode != 0 and f"Running /docker-entrypoint-initdb.d/{name}" in failed.stdout
    assert "not reached" not in failed.stdout
    again = first_start(podman, image, options=["-v", f"{volume}:{DATA}"], POSTGRES_PASSWORD="x")
    assert again.returncode == 1 and "did not finish" in again.stderr


def test_a_first_start_that_is_stopped(podman: Podman, image: str, tmp_path: Path) -> None:
    shared = podman.share(init_directory(tmp_path / "init", {"a.sh": b"#!/usr/bin/env bash\nsleep 99"}))
    volume = podman("volume", "create").stdout.strip()
    mounts = ["-v", f"{volume}:{DATA}"]
    options = [*env(POSTGRES_PASSWORD="x"), *mounts, "-v", f"{shared}:/docker-entrypoint-initdb.d:ro"]
    container = podman.start(image, options=options)
    container.wait_for("Running /docker-entrypoint-initdb.d/a.sh")
    # Not killed after the time that it was given: that would be 137.
    assert container.stop(60) == 130
    again = first_start(podman, image, options=mounts, POSTGRES_PASSWORD="x")
    assert again.returncode == 1 and "did not finish" in again.stderr
    podman.run(image, "rm", f"{DATA}/first-start-unfinished", options=mounts)
    with server(podman, image, options=mounts) as container:
        assert sql(container, "select 1") == "1"


@once
@pytest.mark.usefixtures("icu")
def test_options_of_initdb(podman: Podman, image: str) -> None:
    options = "--data-checksums --locale-provider=icu --icu-locale='de-u-co-phonebk' --auth-host=md5"
    variables = {"POSTGRES_INITDB_ARGS": options, "POSTGRES_INITDB_WALDIR": "/var/lib/postgresql/wal"}
    with server(podman, image, POSTGRES_PASSWORD="x", **variables) as container:
        assert sql(container, "show data_checksums") == "on"
        query = "select datlocprovider, datlocale, pg_encoding_to_char(encoding) from pg_database where datname ="
        assert sql(container, f"{query} 'postgres'") == "i|de-u-co-phonebk|UTF8"
        assert container.exec("readlink", f"{DATA}/pg_wal").stdout == "/var/lib/postgresql/wal\n"


# Volumes and users


def test_a_volume_keeps_its_data(podman: Podman, image: str) -> None:
    volume = podman("volume", "create").stdout.strip()
    options = ["-v", f"{volume}:{DATA}"]
    with server(podman, image, options=options, POSTGRES_PASSWORD="first") as container:
        sql(container, "create table kept as select 42 as answer")
        assert container.stop(60) == 0
    with server(podman, image, options=options, POSTGRES_PASSWORD="second", POSTGRES_DB="ignored") as container:
        assert sql(container, "select answer from kept") == "42"
        assert "is left as it is" in container.logs()
        assert over_tcp(podman, image, container, "select 1", PGPASSWORD="second").returncode == 2
        assert over_tcp(podman, image, container, "select 1", PGPASSWORD="first").stdout == "1\n"


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the locale of the official image's clusters, made by the host's localedef."""
    if not shutil.which("localedef") or not Path("/usr/share/i18n/locales/en_US").exists():
        pytest.skip("Debian's package locales is not installed")
    made = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "en_US", "-f", "UTF-8", "--no-archive", made / "en_US.utf8"]
    subprocess.run(command, check=True, capture_output=True)
    return made


def test_a_volume_of_the_official_image(podman: Podman, image: str, locales: Path) -> None:
    volume = podman("volume", "create").stdout.strip()
    mounts = ["-v", f"{volume}:{DATA}"]
    init = f"initdb -D {DATA} -U postgres --pwfile=<(echo first) --locale=en_US.utf8"
    official = ["-v", f"{podman.share(locales)}:/locales:ro", "-e", "LOCPATH=/locales"]
    podman.run(image, "bash", "-c", init, options=[*mounts, *official])
    with server(podman, image, options=mounts, POSTGRES_PASSWORD="second") as container:
        provider = "select datlocprovider, datcollate, datctype from pg_database where datname = 'postgres'"
        assert sql(container, provider) == "c|en_US.utf8|en_US.utf8"
        assert sql(container, "show lc_messages") == "en_US.utf8"
        words = "(values ('b'), ('A'), ('B'), ('ä'), ('a')) as w(ord)"
        assert sql(container, f"select string_agg(ord, '' order by ord) from {words}") == "aAäbB"
        sql(container, "create database again")
        assert "mismatch" not in container.logs()


@once
def test_a_new_cluster_in_the_official_order(podman: Podman, image: str) -> None:
    with server(podman, image, POSTGRES_PASSWORD="x", POSTGRES_INITDB_ARGS="--locale=en_US.utf8") as container:
        assert sql(container, "select 'a' < 'B', to_char(1234.5, '9G999D9')") == "t| 1,234.5"


def test_any_user_with_a_volume_and_a_read_only_root(podman: Podman, image: str) -> None:
    volume = podman("volume", "create").stdout.strip()
    mounts = ["-v", f"{volume}:{DATA}"]
    options = ["--user", "12345:0", "--read-only", *mounts]
    with server(podman, image, options=options, POSTGRES_PASSWORD="x") as container:
        sql(container, "create table kept as select 42 as answer")
        assert container.exec("stat", "-c", "%u:%g %a", f"{DATA}/pgdata").stdout == "12345:0 700\n"
        assert f"The database is in the directory {DATA}/pgdata" in container.logs()
        assert container.stop(60) == 0
    with server(podman, image, options=options) as container:
        assert sql(container, "select answer from kept") == "42"
    other = first_start(podman, image, options=mounts, POSTGRES_PASSWORD="x")
    assert other.returncode == 1 and f"{DATA}/pgdata belongs to 12345:0" in other.stderr


def test_it_stops_at_the_signal(podman: Podman, image: str) -> None:
    with server(podman, image, POSTGRES_PASSWORD="x") as container:
        podman("kill", "-s", "INT", container.name)
        podman("wait", container.name, timeout=WAIT)
        assert "database system is shut down" in container.logs()


@once
def test_root_is_refused_with_advice(podman: Podman, image: str) -> None:
    result = first_start(podman, image, options=["--user", "0"], POSTGRES_PASSWORD="x")
    assert result.returncode == 1 and "does not run as root" in result.stderr and "--user" in result.stderr


def test_a_volume_of_somebody_else_is_explained(podman: Podman, image: str) -> None:
    volume = podman("volume", "create").stdout.strip()
    mount = ["-v", f"{volume}:{DATA}"]
    podman.run(image, "bash", "-c", f"chown 0:0 {DATA} && chmod 755 {DATA}", options=["--user", "0", *mount])
    result = first_start(podman, image, options=mount, POSTGRES_PASSWORD="x")
    assert result.returncode == 1
    assert f"{DATA} belongs to 0:0; this container runs as 999:999" in result.stderr and "chown" in result.stderr
    # The advice, taken literally.
    podman.run(image, "-R", "999:999", DATA, options=["--user", "0", "--entrypoint", "chown", *mount])
    with server(podman, image, options=mount, POSTGRES_PASSWORD="x") as container:
        assert sql(container, "select 1") == "1"


@pytest.mark.parametrize("listed", [True, False], ids=["listed-by-podman", "without-a-name"])
def test_another_user(podman: Podman, image: str, listed: bool) -> None:
    options = ["--user", "1234:1234", f"--passwd={str(listed).lower()}"]
    with server(podman, image, options=options, POSTGRES_PASSWORD="x", PGDATA=f"{DATA}/mine") as container:
        assert container.exec("stat", "-c", "%u:%g %a", f"{DATA}/mine").stdout == "1234:1234 700\n"
        assert over_tcp(podman, image, container, "select 1", PGPASSWORD="x").stdout == "1\n"
        environment = container.exec("cat", "/proc/1/environ").stdout
        assert "PGDATA=" in environment and "NSS_WRAPPER" not in environment and "LD_PRELOAD" not in environment


@once
def test_a_read_only_root(podman: Podman, image: str) -> None:
    with server(podman, image, options=["--read-only"], POSTGRES_PASSWORD="x") as container:
        assert sql(container, "select 1") == "1"


# What the server can do


@once
@pytest.mark.usefixtures("icu")
def test_collations_of_icu(running: Container) -> None:
    sql(running, "create collation german (provider = icu, locale = 'de-u-co-phonebk')")
    words = "(values ('Zug'), ('Ärger'), ('Art'), ('Ade')) as w(ord)"
    assert sql(running, f"select string_agg(ord, ',' order by ord collate german) from {words}") == "Ade,Ärger,Art,Zug"
    assert sql(running, f"select string_agg(ord, ',' order by ord) from {words}") == "Ade,Art,Zug,Ärger"
    assert sql(running, "select upper('éàü')") == "ÉÀÜ"


@once
def test_text_search_knows_accents(running: Container) -> None:
    assert sql(running, "select to_tsvector('simple', 'ÉCOLE')") == "'école':1"
    assert sql(running, "select to_tsvector('french', 'des chevaux')") == "'cheval':2"
    assert sql(running, "show default_text_search_config") == "pg_catalog.english"


@once
def test_time_zones(running: Container) -> None:
    query = "set timezone = 'Europe/Paris'; select timestamptz '2025-07-01 12:00:00+00'"
    assert sql(running, query) == "2025-07-01 14:00:00+02"
    assert sql(running, "select count(*) > 300 from pg_timezone_names") == "t"
    assert sql(running, "show timezone") == "Etc/UTC"


@once
def test_every_extension(running: Container) -> None:
    names = sql(running, "select string_agg(name, ' ' order by name) from pg_available_extensions").split()
    assert {"hstore", "pg_stat_statements", "pg_trgm", "pgcrypto", "postgres_fdw", "unaccent", "uuid-ossp"} <= set(
        names
    )
    sql(running, "create database extensions")
    for name in names:
        sql(running, f'create extension if not exists "{name}" cascade', "-d", "extensions")
    query = "select digest('x', 'md5') = decode(md5('x'), 'hex'), length(uuid_generate_v1()::text)"
    assert sql(running, query, "-d", "extensions") == "t|36"


@once
def test_conversions_and_queries_without_jit(running: Container) -> None:
    assert sql(running, r"select convert_to('é', 'LATIN1'), convert_to('あ', 'SJIS')") == r"\xe9|\x82a0"
    query = "set jit = on; set jit_above_cost = 0; select sum(n) from generate_series(1, 1000) n"
    assert sql(running, query) == "500500"


@once
@pytest.mark.usefixtures("icu")
def test_xml(running: Container) -> None:
    assert sql(running, "select xpath('/a/b/text()', '<a><b>x</b></a>')") == "{x}"


@once
def test_backups(running: Container) -> None:
    sql(running, "create database source")
    sql(running, "create table t as select generate_series(1, 100) as n", "-d", "source")
    script = """
        set -e
        createdb -U postgres copy
        pg_dump -U postgres -Fc --compress=zstd source | pg_restore -U postgres -d copy
        pg_basebackup -U postgres -c fast -D /tmp/packed --compress=lz4 -Ft -X fetch
        pg_basebackup -U postgres -c fast -D /tmp/plain
        pg_verifybackup /tmp/plain
    """
    running.exec("bash", "-c", script)
    assert sql(running, "select sum(n) from t", "-d", "copy") == "5050"


@once
def test_tls(podman: Podman, image: str, tmp_path: Path) -> None:
    made = tmp_path / "tls"
    made.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=db.example.test",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made / "key.pem", "-out", made / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    volume = podman("volume", "create").stdout.strip()
    copy = "cp /made/* /tls/ && chown 999:999 /tls /tls/* && chmod 600 /tls/key.pem"
    options = ["--user", "0", "-v", f"{podman.share(made)}:/made:ro", "-v", f"{volume}:/tls"]
    podman.run(image, "bash", "-c", copy, options=options)
    settings = ["-c", "ssl=on", "-c", "ssl_cert_file=/tls/cert.pem", "-c", "ssl_key_file=/tls/key.pem"]
    with server(podman, image, *settings, options=["-v", f"{volume}:/tls:ro"], POSTGRES_PASSWORD="x") as container:
        uri = "postgresql://postgres:x@127.0.0.1/?sslmode=verify-full&sslrootcert=/tls/cert.pem"
        query = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
        assert container.exec("psql", uri, "-XAtqc", query).stdout == "t|TLSv1.3\n"
        other = uri.replace("127.0.0.1", "localhost")
        refused = container.exec("psql", other, "-XAtqc", query, check=False)
        assert refused.returncode == 2 and "certificate" in refused.stderr
