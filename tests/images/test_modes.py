"""Each curated image does real work in every way in which it is run.

That is: by podman as root and rootless, as its own user and any user of the root group, with all that a container has
by default, and with a read-only root and without capabilities. Each two of these ways meet in one of the modes. Volumes
are named ones, as the documentation says.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from fpack.cli.images import formats
from support.archives.curated import Load
from support.images.small_images import static_program
from support.processes.podman import Container, Podman
from support.processes.serving import LOOPBACK, fetch, free_port, running, shared
from support.time_limits import WAIT

pytestmark = [pytest.mark.podman, pytest.mark.network]

CURATED = Path(__file__).parent / "curated"
ANY_USER = ["--user", "12345:0"]
RESTRICTED = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"]
MODES = [
    pytest.param("root", RESTRICTED, id="restricted"),
    pytest.param("root", ANY_USER, id="any-user"),
    pytest.param("rootless", [], id="rootless"),
    pytest.param("rootless", [*ANY_USER, *RESTRICTED], id="all-at-once"),
]


class Place(NamedTuple):
    """The surroundings of an image that runs: podman, the options of the mode, and a directory for files to mount."""

    podman: Podman
    image: str
    options: list[str]
    directory: Path

    def run(self, *command: str, options: list[str] | None = None, timeout: float = 300) -> str:
        """Return what a command prints."""
        options = [*self.options, *(options or [])]
        return self.podman.run(self.image, *command, options=options, timeout=timeout).stdout

    def mount(self, at: str, **files: str | bytes) -> list[str]:
        """Return the options that mount a directory of these files. `__` in a name stands for a dot."""
        named = {name.replace("__", "."): content for name, content in files.items()}
        return ["-v", f"{shared(self.podman, self.directory / 'files', named)}:{at}:ro"]

    def volume(self, at: str) -> list[str]:
        """Return the options that mount a new named volume."""
        return ["-v", f"{self.podman('volume', 'create').stdout.strip()}:{at}"]


def answer(container: Container, *command: str, seconds: float = WAIT) -> str:
    """Return what a client in the container prints, as soon as it succeeds."""
    end = time.monotonic() + seconds
    while (done := container.exec(*command, check=False)).returncode:
        assert container.running() and time.monotonic() < end, f"{done.stderr}\n{container.logs()}"
        time.sleep(0.3)
    return done.stdout.strip()


def works_go(place: Place) -> None:
    source = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println(6 * 7) }\n'
    mounts = place.mount("/src", main__go=source, go__mod="module example.org/app\n\ngo 1.24\n")
    options = [*mounts, *place.volume("/go"), "-w", "/src"]
    assert place.run("sh", "-c", "go build -o /tmp/app . && /tmp/app", options=options) == "42\n"


def works_haproxy(place: Place) -> None:
    port = free_port()
    conf = f"defaults\n  mode http\n  timeout client 9s\nfrontend in\n  bind {LOOPBACK}:{port}\n"
    conf += "  http-request return status 200 content-type text/plain string hello\n"
    options = [*place.options, *place.mount("/usr/local/etc/haproxy", haproxy__cfg=conf)]
    with running(place.podman, place.image, options=options) as container:
        assert fetch(container, f"http://{LOOPBACK}:{port}/").body == "hello"


def works_mariadb(place: Place) -> None:
    options = [*place.options, *place.volume("/var/lib/mysql"), "-e", "MARIADB_ROOT_PASSWORD=x"]
    for _ in range(2):  # the second container finds the data of the first
        with running(place.podman, place.image, options=options, network="none") as container:
            container.wait_for("port: 3306", timeout=WAIT)
            query = (
                "create database if not exists d; create table if not exists d.t select 6 * 7 as n; select n from d.t"
            )
            assert answer(container, "mariadb", "-uroot", "-px", "-NBe", query) == "42"
            assert container.stop(60) == 0


def works_nginx(place: Place) -> None:
    port = free_port()
    conf = f"server {{ listen {LOOPBACK}:{port}; root /usr/share/nginx/html; }}"
    options = [*place.options, *place.mount("/etc/nginx/conf.d", site__conf=conf)]
    with running(place.podman, place.image, options=options) as container:
        assert "Welcome to nginx!" in fetch(container, f"http://{LOOPBACK}:{port}/").body


def works_node(place: Place) -> None:
    code = "fetch('data:,hello').then(a => a.text()).then(t => console.log(t, 6 * 7))"
    assert place.run("node", "-e", code) == "hello 42\n"


def works_openjdk(place: Place) -> None:
    steps = "cd /tmp; javac -d . /w/App.java; java App"
    options = place.mount("/w", App__java=(CURATED / "App.java").read_bytes())
    assert place.run("sh", "-ec", steps, options=options).startswith("page true ")


def works_php_fpm(place: Place) -> None:
    port = free_port()
    mounts = place.mount("/w", page__php="<?php echo 6 * 7;", zz__conf=f"[www]\nlisten = {LOOPBACK}:{port}\n")
    settings = mounts[1].removesuffix(":/w:ro") + "/zz.conf:/usr/local/etc/php-fpm.d/zz.conf:ro"
    with running(place.podman, place.image, options=[*place.options, *mounts, "-v", settings]) as container:
        container.wait_for("ready to handle connections")
        assert fastcgi(port, "/w/page.php").endswith(b"\r\n\r\n42")


def fastcgi(port: int, script: str) -> bytes:
    """Return what a script prints, with its headers."""
    variables = {b"SCRIPT_FILENAME": script.encode(), b"REQUEST_METHOD": b"GET"}
    pairs = b"".join(bytes([len(k), len(v)]) + k + v for k, v in variables.items())
    begin, parameters, stdin, stdout = 1, 4, 5, 6
    records = [(begin, struct.pack(">HB5x", 1, 0)), (parameters, pairs), (parameters, b""), (stdin, b"")]
    said = b""
    with socket.create_connection((LOOPBACK, port), timeout=30) as client:
        client.sendall(b"".join(struct.pack(">BBHHxx", 1, kind, 1, len(data)) + data for kind, data in records))
        with client.makefile("rb") as answers:
            while header := answers.read(8):
                _, kind, _, length, padding = struct.unpack(">BBHHBx", header)
                data = answers.read(length + padding)[:length]
                said += data if kind == stdout else b""
    return said


def works_postgres(place: Place) -> None:
    options = [*place.options, *place.volume("/var/lib/postgresql/data"), "-e", "POSTGRES_PASSWORD=x"]
    for _ in range(2):
        with running(place.podman, place.image, options=options, network="none") as container:
            answer(container, "pg_isready", "-q", "-h", LOOPBACK)
            query = "create table if not exists t as select 6 * 7 as n; select n from t"
            assert answer(container, "psql", "-U", "postgres", "-XAtqc", query) == "42"
            assert container.stop(60) == 0


def works_python(place: Place) -> None:
    code = "import ctypes.util, sqlite3, ssl\nlibrary = ctypes.CDLL(ctypes.util.find_library('c'))\n"
    code += "print(sqlite3.connect(':memory:').execute('select 6 * 7').fetchone()[0], library.abs(-1))"
    assert place.run("python", "-c", code) == "42 1\n"


def works_redis(place: Place) -> None:
    options = [*place.options, *place.volume("/data")]
    for value in ("", "42"):
        with running(place.podman, place.image, options=options, network="none") as container:
            assert answer(container, "redis-cli", "get", "key") == value
            assert answer(container, "redis-cli", "set", "key", "42") == "OK"
            assert answer(container, "redis-cli", "save") == "OK"


def works_ruby(place: Place) -> None:
    code = "require 'json'; require 'openssl'; puts JSON.dump([6 * 7, OpenSSL::Digest::SHA256.hexdigest('')[0, 4]])"
    assert json.loads(place.run("ruby", "-e", code)) == [42, "e3b0"]


def works_static(place: Place) -> None:
    program = place.mount("/w", app=static_program())
    Path(program[1].partition(":")[0], "app").chmod(0o755)
    said = place.run("/w/app", "/etc/ssl/certs/ca-certificates.crt", "$SSL_CERT_FILE", options=program)
    assert "/etc/ssl/certs/ca-certificates.crt: 100644 0:0" in said and "SSL_CERT_FILE=/etc/ssl/certs/" in said
    user = "uid 12345 gid 0\n" if ANY_USER[0] in place.options else "uid 65532 gid 65532\n"
    assert said.startswith(user)


def works_debug_tools(place: Place) -> None:
    assert place.run("sh", "-c", "echo $((6 * 7)); ps -o pid= -p 1").split() == ["42", "1"]


WORKS: dict[str, Callable[[Place], None]] = {
    "debug-tools": works_debug_tools,
    "go": works_go,
    "haproxy": works_haproxy,
    "mariadb": works_mariadb,
    "nginx": works_nginx,
    "node": works_node,
    "openjdk": works_openjdk,
    "php-fpm": works_php_fpm,
    "postgres": works_postgres,
    "python": works_python,
    "redis": works_redis,
    "ruby": works_ruby,
    "static": works_static,
}


def test_every_curated_image_is_here() -> None:
    from fpack.cli.workspace.curated import curated

    assert set(WORKS) == set(curated())


@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize(("user", "options"), MODES)
def test_it_works(
    name: str, user: str, options: list[str], podmans: Callable[[str], Podman], load: Load, tmp_path: Path
) -> None:
    podman = podmans(user)
    WORKS[name](Place(podman, load(podman, name), options, tmp_path))


@pytest.mark.parametrize("user", ["root", "rootless"])
def test_the_printed_line_of_go_builds_in_the_callers_directory(
    user: str,
    podmans: Callable[[str], Podman],
    load: Load,
    fpack: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    podman = podmans(user)
    image = load(podman, "go")
    caller = pwd.getpwnam(podman.owner) if podman.owner else pwd.getpwuid(os.geteuid())
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: caller.pw_uid)
        patch.setattr(os, "getegid", lambda: caller.pw_gid)
        bundle = SimpleNamespace(
            name="go", tag=image.rpartition(":")[2], ports=[], runs=True, runs_shell=False, is_root=True
        )
        container = SimpleNamespace(ports=(), run_options=fpack("show", "go")["run_options"])
        line = formats.run(SimpleNamespace(bundle=bundle, container=container), "podman")  # type: ignore[arg-type]
    source = 'package main\n\nfunc main() { print("hello") }\n'
    for name, text in {"main.go": source, "go.mod": "module example.org/app\n\ngo 1.24\n"}.items():
        (podman.home / name).write_text(text)  # podman runs in this directory
    _, run, *words = shlex.split(line)
    podman(run, "--network=none", *words, "go", "build", "-o", "app", timeout=300)
    assert (podman.home / "app").stat().st_uid == caller.pw_uid
