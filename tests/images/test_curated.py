"""The curated images do their real work in podman, as the users that they say, and are as small as they say.

postgres has a module of its own. What runs in the containers of languages lies in `curated/`. Servers are reached over
loopback, on ports that mounted configurations name.
"""

from __future__ import annotations

import gzip
import json
import tarfile
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.archives.curated import Load, Pack, Packed
from support.processes.podman import Container, Podman
from support.processes.serving import (
    LOOPBACK,
    ask,
    fetch,
    free_port,
    make_certificate,
    running,
    shared,
    stops,
    trusting,
    user_of,
)
from support.time_limits import WAIT

pytestmark = [pytest.mark.podman, pytest.mark.network]

PROGRAMS = Path(__file__).parent / "curated"


class Image(NamedTuple):
    """The promises of an image. megabytes: compressed, at most. version: a command, and how it says the image's tag."""

    name: str
    megabytes: float
    user: str
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    signal: str | None = None
    version: tuple[str, str] = ("", "")


IMAGES = [
    Image("go", 55, "65532:65532", version=("go version", "go version go{tag}")),
    Image("haproxy", 9, "99:99", signal="SIGUSR1", version=("haproxy -v", "HAProxy version {tag}.")),
    Image("mariadb", 22.8, "999:999", ("3306/tcp",), ("/var/lib/mysql",), None, ("mariadbd --version", "Ver {tag}.")),
    Image("nginx", 6.2, "101:101", ("8080/tcp",), (), "SIGQUIT", ("nginx -v", "nginx/{tag}.")),
    Image("node", 36, "1000:1000", version=("node --version", "v{tag}.")),
    Image("openjdk", 54, "65532:65532", version=("java -version", 'openjdk version "{tag}.')),
    Image("php-fpm", 25, "33:33", ("9000/tcp",), (), "SIGQUIT", ("php-fpm -v", "PHP {tag}.")),
    Image("python", 17, "65532:65532", version=("python --version", "Python {tag}.")),
    Image("redis", 8.5, "999:999", ("6379/tcp",), ("/data",), None, ("redis-server --version", "v={tag}.")),
    Image("ruby", 14, "65532:65532", version=("ruby --version", "ruby {tag}.")),
    Image("static", 0.5, "65532:65532"),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def mounted(podman: Podman, folder: Path, *names: str, **files: bytes) -> list[str]:
    """Options that mount these programs of `curated/`, and the files, at /w."""
    named = {name.replace("_pem", ".pem"): content for name, content in files.items()}
    place = shared(podman, folder, {**{name: (PROGRAMS / name).read_bytes() for name in names}, **named})
    return ["-v", f"{place}:/w:ro"]


def health(packed: Packed) -> list[str]:
    """Return the words of the health check, from the archive: podman takes none from OCI images, docker does."""
    with tarfile.open(packed.file) as tar:

        def read(digest: str) -> Any:
            return json.load(tar.extractfile("blobs/" + digest.replace(":", "/")))  # type: ignore[arg-type]

        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
        config = read(read(index["manifests"][0]["digest"])["config"]["digest"])
    kind, *words = config["config"]["Healthcheck"]["Test"]
    assert kind == "CMD"
    return [str(word) for word in words]


@pytest.mark.parametrize("promise", IMAGES, ids=lambda each: each.name)
def test_promises(promise: Image, packed: Pack, load: Load, one_podman: Podman) -> None:
    assert packed(promise.name).result["size_compressed"] <= promise.megabytes * 1e6
    image = load(one_podman, promise.name)
    config = json.loads(one_podman("image", "inspect", image).stdout)[0]["Config"]
    assert config["User"] == promise.user
    assert tuple(config.get("ExposedPorts", {})) == promise.ports
    assert tuple(config.get("Volumes", {})) == promise.volumes
    assert config.get("StopSignal") == promise.signal
    command, expected = promise.version
    if command:
        done = one_podman.run(image, *command.split())
        assert expected.format(tag=image.rpartition(":")[2]) in done.stdout + done.stderr


# redis


def test_redis_keeps_its_data(podman: Podman, load: Load) -> None:
    image, port = load(podman, "redis"), free_port()
    volume = podman("volume", "create").stdout.strip()
    options = ["-v", f"{volume}:/data"]
    with running(podman, image, "--port", str(port), options=options) as container:
        assert ask(port, "set key value", "get key", "quit") == ["+OK", "$5", "value", "+OK"]
        assert user_of(podman, container) == 999
        assert stops(container) == 0
    with running(podman, image, "redis-server", "--port", str(port), options=options):
        assert ask(port, "get key", "quit") == ["$5", "value", "+OK"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ([], "no"),
        (["redis-server", "--protected-mode", "yes"], "yes"),
        (["/conf/redis.conf"], "no"),
        (["redis-server", "/conf/shut.conf"], "yes"),
    ],
    ids=["plain", "option", "file", "file-that-says-so"],
)
def test_redis_answers_other_hosts(
    command: list[str], expected: str, one_podman: Podman, load: Load, tmp_path: Path
) -> None:
    image = load(one_podman, "redis")
    files = {"redis.conf": "maxclients 77", "shut.conf": "maxclients 77\nprotected-mode yes\n"}
    options = ["-v", f"{shared(one_podman, tmp_path / 'conf', files)}:/conf:ro"]
    with running(one_podman, image, *command, options=options, network="none") as container:
        container.wait_for("Ready to accept connections")
        settings = container.exec("redis-cli", "config", "get", "protected-mode", "maxclients").stdout.split()
        assert settings[settings.index("protected-mode") + 1] == expected
        if any("conf" in word for word in command):
            assert settings[settings.index("maxclients") + 1] == "77"


def test_redis_with_password_and_tls(
    one_podman: Podman, load: Load, certificate: dict[str, bytes], tmp_path: Path
) -> None:
    image, port = load(one_podman, "redis"), free_port()
    conf = f"port 0\ntls-port {port}\ntls-cert-file /conf/cert.pem\ntls-key-file /conf/key.pem\ntls-auth-clients no\n"
    place = shared(one_podman, tmp_path / "conf", {"redis.conf": conf + "requirepass secret\n", **certificate})
    with running(one_podman, image, "/conf/redis.conf", options=["-v", f"{place}:/conf:ro"]):
        answers = ask(port, "ping", "auth secret", "ping", "quit", context=trusting(certificate))
        assert answers[0].startswith("-NOAUTH") and answers[1:] == ["+OK", "+PONG", "+OK"]


def test_redis_is_healthy_while_it_serves(one_podman: Podman, load: Load, packed: Pack) -> None:
    check = health(packed("redis"))
    with running(one_podman, load(one_podman, "redis"), "--requirepass", "x", network="none") as container:
        container.wait_for("Ready to accept connections")
        assert container.exec(*check).returncode == 0
    with running(one_podman, load(one_podman, "redis"), "sh", "-c", "read x", options=["-i"], network="none") as idle:
        assert idle.exec(*check, check=False).returncode != 0


# nginx, and php behind it


def site(port: int, tls: int, php: int) -> str:
    return f"""\
server {{
    listen {LOOPBACK}:{port};
    listen {LOOPBACK}:{tls} ssl;
    ssl_certificate /etc/nginx/conf.d/cert.pem;
    ssl_certificate_key /etc/nginx/conf.d/key.pem;
    root /usr/share/nginx/html;
    location ~ \\.php$ {{
        include fastcgi_params;
        fastcgi_param SCRIPT_FILENAME /var/www/html$fastcgi_script_name;
        fastcgi_pass {LOOPBACK}:{php};
    }}
}}
"""


def test_nginx_serves_a_site(podman: Podman, load: Load, certificate: dict[str, bytes], tmp_path: Path) -> None:
    image, port, tls = load(podman, "nginx"), free_port(), free_port()
    conf = shared(podman, tmp_path / "conf.d", {"site.conf": site(port, tls, 9), **certificate})
    pages = shared(podman, tmp_path / "html", {"index.html": "<p>Hello", "style.css": "p {}"})
    mounts = ["-v", f"{conf}:/etc/nginx/conf.d:ro", "-v", f"{pages}:/usr/share/nginx/html:ro"]
    with running(podman, image, options=mounts) as container:
        page = fetch(container, f"http://{LOOPBACK}:{port}/")
        assert (page.status, page.body, page.headers["Content-Type"]) == (200, "<p>Hello", "text/html")
        page = fetch(container, f"https://{LOOPBACK}:{tls}/style.css", trusting(certificate))
        assert page.headers["Content-Type"] == "text/css"
        assert fetch(container, f"http://{LOOPBACK}:{port}/none").status == 404
        assert user_of(podman, container) == 101
        logs = container.logs()
        assert '"GET / HTTP/1.1" 200' in logs and "No such file or directory" in logs
        assert "[warn]" not in logs and "[alert]" not in logs
        assert stops(container) == 0


def test_nginx_as_it_is(one_podman: Podman, load: Load) -> None:
    get = "import urllib.request as r; a = r.urlopen('http://127.0.0.1:8080/'); print(a.status, a.read().decode())"
    with running(one_podman, load(one_podman, "nginx"), options=["--read-only"], network="none") as container:
        container.wait_for("start worker process")
        client = load(one_podman, "python")
        page = one_podman.run(client, "python", "-c", get, network=f"container:{container.name}").stdout
        assert page.startswith("200 ") and "Welcome to nginx!" in page


def test_nginx_takes_a_whole_configuration(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    port = free_port()
    conf = f"""\
user nginx;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log info;
events {{ }}
http {{
    include mime.types;
    access_log /var/log/nginx/access.log;
    server {{ listen {LOOPBACK}:{port}; location / {{ return 200 "mine"; }} }}
}}
"""
    place = shared(one_podman, tmp_path / "conf", {"nginx.conf": conf})
    options = ["-v", f"{place}/nginx.conf:/etc/nginx/nginx.conf:ro"]
    with running(one_podman, load(one_podman, "nginx"), options=options) as container:
        assert fetch(container, f"http://{LOOPBACK}:{port}/x").body == "mine"
        assert '"GET /x HTTP/1.1" 200' in container.logs()


def test_php_renders_pages_behind_nginx(
    one_podman: Podman, load: Load, certificate: dict[str, bytes], tmp_path: Path
) -> None:
    port, tls, php = free_port(), free_port(), free_port()
    conf = shared(one_podman, tmp_path / "conf.d", {"site.conf": site(port, tls, php), **certificate})
    page = (PROGRAMS / "page.php").read_bytes()
    pages = shared(one_podman, tmp_path / "html", {"page.php": page, "wrong.php": "<?php nothing();"})
    settings = {"zz.conf": f"[www]\nlisten = {LOOPBACK}:{php}\n", "mine.ini": "memory_limit = 77M\n"}
    place = shared(one_podman, tmp_path / "settings", settings)
    mounts = [
        *("-v", f"{pages}:/var/www/html:ro", "-e", "GREETING=hello"),
        *("-v", f"{place}/zz.conf:/usr/local/etc/php-fpm.d/zz.conf:ro"),
        *("-v", f"{place}/mine.ini:/usr/local/etc/php/conf.d/mine.ini:ro"),
    ]
    with (
        running(one_podman, load(one_podman, "php-fpm"), options=mounts) as fpm,
        running(one_podman, load(one_podman, "nginx"), options=["-v", f"{conf}:/etc/nginx/conf.d:ro"]) as web,
    ):
        fpm.wait_for("ready to handle connections")
        status, body, headers = fetch(web, f"http://{LOOPBACK}:{port}/page.php?name=a%26b")
        assert status == 200, fpm.logs()
        found = json.loads(body)
        assert {"mysql", "pgsql", "sqlite"} <= set(found.pop("drivers"))
        assert found == {
            "sum": 42, "xml": "six", "upper": "É", "latin": "a4", "zip": "PK", "big": "123456789012345678900",
            "time": "2025-07-01T12:00:00+02:00", "opcache": True, "authorities": True, "memory": "77M", "errors": "",
            "variable": "hello", "name": "a&b", "visits": 1,
        }  # fmt: skip
        cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
        again = urllib.request.Request(f"http://{LOOPBACK}:{port}/page.php?name=b", headers=cookie)
        assert json.load(urllib.request.urlopen(again, timeout=10))["visits"] == 2
        status, body, _ = fetch(web, f"http://{LOOPBACK}:{port}/wrong.php")
        assert status == 500 and body == ""
        assert "Call to undefined function nothing()" in fpm.logs() and '"GET /page.php" 200' in fpm.logs()
        assert user_of(one_podman, fpm) == 33
        assert stops(fpm) == 0


def test_php_on_the_command_line(one_podman: Podman, load: Load) -> None:
    code = "echo PHP_SAPI, ' ', posix_getuid(), ' ', (new XSLTProcessor) ? 'xsl' : '', \"\\n\";"
    done = one_podman.run(load(one_podman, "php-fpm"), "php", "-r", code)
    assert (done.stdout, done.stderr) == ("cli 33 xsl\n", "")


# haproxy


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    """Yield the port of a web server that says how it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{self.path} {self.headers.get('X-Forwarded-For')}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_haproxy_passes_requests_on(
    one_podman: Podman, load: Load, certificate: dict[str, bytes], backend: int, tmp_path: Path
) -> None:
    port = free_port()
    conf = f"""\
global
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option forwardfor
    timeout connect 2s
    timeout client 5s
    timeout server 5s
frontend in
    bind {LOOPBACK}:{port} ssl crt /usr/local/etc/haproxy/both.pem alpn h2,http/1.1
    http-request set-path /changed%[path]
    default_backend out
backend out
    server dead {LOOPBACK}:9 check inter 100ms
    server alive {LOOPBACK}:{backend} check inter 100ms
    http-response set-header Server-Name %s
"""
    place = shared(one_podman, tmp_path / "haproxy", {"haproxy.cfg": conf, "both.pem": b"".join(certificate.values())})
    options = ["-v", f"{place}:/usr/local/etc/haproxy:ro"]
    with running(one_podman, load(one_podman, "haproxy"), options=options) as container:
        url, context = f"https://{LOOPBACK}:{port}/page", trusting(certificate)
        end = time.monotonic() + WAIT
        while (page := fetch(container, url, context)).status == 503 and time.monotonic() < end:
            time.sleep(0.1)  # until the dead server is known to be dead
        assert (page.status, page.body) == (200, f"/changed/page {LOOPBACK}")
        assert page.headers["Server-Name"] == "alive"
        assert user_of(one_podman, container) == 99
        assert stops(container) == 0


def test_haproxy_checks_a_configuration(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    place = shared(one_podman, tmp_path / "conf", {"haproxy.cfg": "nonsense\n"})
    options = ["-v", f"{place}:/usr/local/etc/haproxy:ro"]
    done = one_podman.run(load(one_podman, "haproxy"), options=options, check=False)
    assert done.returncode == 1 and "unknown keyword 'nonsense'" in done.stdout + done.stderr


# Go, and static


def test_go_builds_and_tests_what_static_runs(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    files = {name: (PROGRAMS / name).read_bytes() for name in ("main.go", "main_test.go")}
    place = shared(one_podman, tmp_path / "src", {**files, "go.mod": b"module example.org/app\n\ngo 1.24\n"})
    place.chmod(0o777)
    source = ["-v", f"{place}:/src", "-w", "/src"]
    script = "go test . && go build -o app . && ./app && gofmt -l ."
    done = one_podman.run(load(one_podman, "go"), "sh", "-c", script, options=source, timeout=300)
    tested, ran = done.stdout.splitlines()
    assert tested.startswith("ok") and "example.org/app" in tested
    assert ran == "42 false 2025-07-01T14:00:00+02:00 65532 /home/nonroot true true"
    done = one_podman.run(load(one_podman, "static"), "/app", options=["-v", f"{place}/app:/app:ro"])
    assert done.stdout == ran.replace("false", "true") + "\n"
    # As the one that the sources belong to, whose home does not exist.
    done = one_podman.run(load(one_podman, "go"), "go", "list", options=[*source, "--user", "1234:1234"])
    assert done.stdout == "example.org/app\n"


def test_static_has_no_program(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    name = one_podman("create", load(one_podman, "static"), "/none").stdout.strip()
    one_podman("export", "-o", str(one_podman.home / "static.tar"), name)
    one_podman.remove(name)
    with tarfile.open(one_podman.home / "static.tar") as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert [name for name, member in members.items() if member.isfile() and member.mode & 0o111] == []
    assert {"etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Paris", "etc/services"} <= members.keys()
    assert members["tmp"].mode & 0o7777 == 0o1777


# Python


def test_python(one_podman: Podman, load: Load, certificate: dict[str, bytes], tmp_path: Path) -> None:
    options = mounted(
        one_podman, tmp_path / "w", "app.py", cert_pem=certificate["cert.pem"], key_pem=certificate["key.pem"]
    )
    done = one_podman.run(load(one_podman, "python"), "python", "/w/app.py", options=options)
    assert json.loads(done.stdout) == {
        "page": "page", "authorities": True, "sql": 42, "search": [], "c": True, "c++": True, "packed": ["x"] * 3,
        "time": "2025-07-01T12:00:00+02:00", "terminal": [True, True], "encodings": ["utf-8"] * 2, "user": 65532,
        "shell": "hello\n", "uuid": 1,
    }  # fmt: skip


def wheel(file: Path) -> bytes:
    """Return a wheel of one module with a command."""
    info = "hello-1.0.dist-info"
    files = {
        "hello.py": "def main():\n    print('hello from a wheel')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nhello = hello:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.read_bytes()


def test_python_installs_wheels(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    name = "hello-1.0-py3-none-any.whl"
    script = "#!/usr/bin/env python3\nimport hello\nhello.main()\n"
    place = shared(one_podman, tmp_path / "w", {name: wheel(tmp_path / name), "script": script})
    steps = f"pip install -q --no-index /w/{name}; hello; /w/script; python -m venv v; v/bin/pip --version"
    done = one_podman.run(load(one_podman, "python"), "sh", "-ec", steps, options=["-v", f"{place}:/w:ro"])
    *hellos, version = done.stdout.splitlines()
    assert hellos == ["hello from a wheel"] * 2 and version.startswith("pip ") and "/home/nonroot/v/" in version


# Node.js


def test_node(one_podman: Podman, load: Load, certificate: dict[str, bytes], tmp_path: Path) -> None:
    options = mounted(
        one_podman, tmp_path / "w", "app.mjs", cert_pem=certificate["cert.pem"], key_pem=certificate["key.pem"]
    )
    done = one_podman.run(load(one_podman, "node"), "/w/app.mjs", options=options)
    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "page": "page", "worker": 42, "fetched": "hello", "date": "Donnerstag, 1. Januar 1970", "packed": "xobject",
        "authorities": True, "user": 1000, "shell": "hello\n", "wasm": True,
    }  # fmt: skip


def test_node_runs_tests(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    test = "const test = require('node:test'); test('six', () => require('node:assert').equal(6 * 7, 42));"
    place = shared(one_podman, tmp_path / "w", {"a.test.js": test})
    done = one_podman.run(load(one_podman, "node"), "node", "--test", "/w/a.test.js", options=["-v", f"{place}:/w:ro"])
    assert "pass 1" in done.stdout and "fail 0" in done.stdout


# Java


def test_java(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    image, options = load(one_podman, "openjdk"), mounted(one_podman, tmp_path / "w", "App.java")
    says = "page true 2025-07-01T12:00+02:00[Europe/Paris] Pair[a=6, b=7] é UTF-8 true\n"
    assert one_podman.run(image, "java", "/w/App.java", options=options).stdout == says
    steps = "javac -d . /w/App.java; jar -c -f app.jar -e App App*.class; java -jar app.jar"
    assert one_podman.run(image, "sh", "-ec", steps, options=options).stdout == says


def test_java_stops(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    code = "class Wait { public static void main(String[] a) throws Exception {"
    code += ' System.out.println("waiting"); Thread.sleep(99_999); } }'
    place = shared(one_podman, tmp_path / "w", {"Wait.java": code})
    options = ["-v", f"{place}:/w:ro"]
    with running(one_podman, load(one_podman, "openjdk"), "java", "/w/Wait.java", options=options) as container:
        container.wait_for("waiting")
        assert user_of(one_podman, container) == 65532
        assert "Wait" in container.exec("jcmd", "-l").stdout
        assert stops(container) == 143


# Ruby


def test_ruby(one_podman: Podman, load: Load, certificate: dict[str, bytes], tmp_path: Path) -> None:
    options = mounted(
        one_podman, tmp_path / "w", "app.rb", cert_pem=certificate["cert.pem"], key_pem=certificate["key.pem"]
    )
    done = one_podman.run(load(one_podman, "ruby"), "/w/app.rb", options=options)
    assert json.loads(done.stdout) == {
        "page": "012", "yaml": {"a": [1, 2]}, "latin": [233], "encoding": "UTF-8", "authorities": True, "user": 65532,
        "packed": "x", "shell": "hello\n",
    }  # fmt: skip


def test_ruby_installs_gems(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    gemspec = 'Gem::Specification.new { |s| s.name = "hello"; s.version = "1.0"; s.summary = "x"; s.authors = ["x"]; '
    gemspec += 's.files = ["hello.rb"]; s.require_paths = ["."]; s.bindir = "."; s.executables = ["hello"] }\n'
    files = {"hello.gemspec": gemspec, "hello.rb": "puts 'hello from a gem'\n", "hello": "require 'hello'\n"}
    place = shared(one_podman, tmp_path / "w", files)
    steps = [
        "cd /w; gem build --silent hello.gemspec -o /tmp/hello.gem; cd",
        "gem install --silent --local /tmp/hello.gem",
        "hello",
        "echo 'gem \"hello\"' >Gemfile",
        "bundle install --quiet --local",
        "bundle exec hello",
    ]
    done = one_podman.run(load(one_podman, "ruby"), "sh", "-ec", "\n".join(steps), options=["-v", f"{place}:/w:ro"])
    assert done.stdout == "hello from a gem\n" * 2, done.stderr


# MariaDB

PASSWORD = "a'b\\c $d\""
ADA = ("-uada", "-px", "shop_1")


def sql(container: Container, query: str, *options: str, check: bool = True) -> str:
    """Return the output of a query over TCP."""
    result = container.exec("mariadb", "-h", LOOPBACK, "-NB", *options, "-e", query, check=check)
    return (result.stdout if check else result.stdout + result.stderr).strip()


@contextmanager
def database(podman: Podman, image: str, *command: str, options: list[str], **env: str) -> Iterator[Container]:
    """Yield a mariadb that is past its first start."""
    words = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
    with running(podman, image, *command, options=[*words, *options], network="none") as container:
        container.wait_for("port: 3306", timeout=WAIT)
        yield container


def test_mariadb(one_podman: Podman, load: Load, packed: Pack, tmp_path: Path) -> None:
    image, check = load(one_podman, "mariadb"), health(packed("mariadb"))
    files = {
        "1.sql": "create table ran (name text);\ninsert into ran values ('sql');\n",
        "2.sql.gz": gzip.compress(b"insert into ran values ('gz');"),
        "3.sh": "echo \"insert into ran values ('$MARIADB_USER')\" | docker_process_sql\n",
        "4.sh": '#!/bin/bash\nmariadb -p"$MARIADB_ROOT_PASSWORD" -uroot shop_1 <<<"insert into ran values (\'own\')"\n',
        "5.sh": "words=(read in)\n[[ ${#words[@]} == 2 ]] && docker_process_sql <<<\"insert into ran values ('in')\"\n",
        "notes.txt": "no",
    }
    init = shared(one_podman, tmp_path / "init", files)
    secrets = shared(one_podman, tmp_path / "secrets", {"password": PASSWORD + "\n"})
    conf = shared(one_podman, tmp_path / "conf", {"mine.cnf": "[mariadbd]\nmax_connections = 42\n"})
    volume = one_podman("volume", "create").stdout.strip()
    data = ["-v", f"{volume}:/var/lib/mysql", "-v", f"{conf}:/etc/mysql/conf.d:ro"]
    options = [*data, "-v", f"{init}:/docker-entrypoint-initdb.d:ro", "-v", f"{secrets}:/secrets:ro"]
    options += ["-e", "MARIADB_ROOT_PASSWORD_FILE=/secrets/password", "-e", "MARIADB_DATABASE=shop_1"]
    with database(one_podman, image, options=options, MYSQL_USER="ada", MARIADB_PASSWORD="x") as container:
        assert sql(container, "select group_concat(name order by name) from ran", *ADA) == "ada,gz,in,own,sql"
        assert sql(container, "select @@max_connections, @@character_set_server", *ADA) == "42\tutf8mb4"
        time = sql(container, "select convert_tz('2025-07-01 12:00', 'UTC', 'Europe/Paris')", *ADA)
        assert time == "2025-07-01 14:00:00"
        assert "ERROR 1044" in sql(container, "create database shopx1", *ADA, check=False)
        assert "ERROR 1045" in sql(container, "select 1", "-uroot", check=False)
        assert sql(container, "select current_user()", "-uroot", f"-p{PASSWORD}") == "root@%"
        assert sql(container, "show status like 'Ssl_version'", *ADA).split()[1].startswith("TLSv1.")
        assert "INSERT INTO `ran`" in container.exec("mariadb-dump", *ADA).stdout
        before = container.logs()
        assert container.exec(*check).returncode == 0 and container.logs() == before
        assert user_of(one_podman, container) == 999
        assert container.exec("stat", "-c", "%a %U", "/var/lib/mysql").stdout == "750 mysql\n"
        assert stops(container) == 0
    with database(one_podman, image, "mariadbd", "--max-connections=43", options=data) as container:
        assert sql(container, "select count(*), @@max_connections from ran", *ADA) == "5\t43"
        assert container.exec(*check).returncode == 0


def test_mariadb_explains_what_it_refuses(one_podman: Podman, load: Load, tmp_path: Path) -> None:
    image, password = load(one_podman, "mariadb"), ["-e", "MARIADB_ROOT_PASSWORD=x"]
    none = one_podman.run(image, check=False)
    assert none.returncode == 1 and "MARIADB_ROOT_PASSWORD" in none.stderr
    wrong = one_podman.run(image, "--nonsense", options=password, check=False)
    assert wrong.returncode == 1 and "unknown option '--nonsense'" in wrong.stderr
    root = one_podman.run(image, options=["--user", "0", *password], check=False)
    assert root.returncode == 1 and "--user" in root.stderr
    init = shared(one_podman, tmp_path / "init", {"a.sql": "select nothing;\n"})
    volume = one_podman("volume", "create").stdout.strip()
    options = [*password, "-v", f"{volume}:/var/lib/mysql"]
    broken = one_podman.run(image, options=[*options, "-v", f"{init}:/docker-entrypoint-initdb.d:ro"], check=False)
    assert broken.returncode != 0 and "Unknown column 'nothing'" in broken.stderr
    again = one_podman.run(image, options=options, check=False)
    assert again.returncode == 1 and "did not finish" in again.stderr


def test_mariadb_for_another_user_with_a_random_password(one_podman: Podman, load: Load) -> None:
    image, options = load(one_podman, "mariadb"), ["--user", "1234:1234"]
    with database(one_podman, image, options=options, MARIADB_RANDOM_ROOT_PASSWORD="1") as container:
        (line,) = [line for line in container.logs().splitlines() if line.startswith("GENERATED ROOT PASSWORD: ")]
        assert sql(container, "select 6 * 7", "-uroot", "-p" + line.rpartition(" ")[2]) == "42"
