"""Any of Debian's packages can be packed, and its main program starts in podman.

A part of the table was chosen because people use it, the rest drawn from trixie's index by a random number generator,
less what has no program that can show by itself that it started.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.processes.podman import Podman

pytestmark = [pytest.mark.podman, pytest.mark.network]


class Case(NamedTuple):
    """Arguments for a program, what its output must match, its exit status; program: if not the package's main one."""

    package: str
    arguments: tuple[str, ...]
    output: str
    status: int = 0
    program: str = ""


# Servers, interpreters, command lines and libraries' tools that people use. Others run as curated images, in
# tests/packages, or below.
CHOSEN = [
    Case("curl", ("-s", "file:///etc/passwd"), r"^root:[^:]*:0:0:"),
    Case("jq", ("-n", "[1, 2] | add"), r"^3$"),
    Case("lighttpd", ("-V",), r"^lighttpd/1\."),
    Case("mariadb-server", ("--version",), r"^/usr/sbin/mariadbd  Ver \d+\.\d+"),
    Case("memcached", ("-V",), r"^memcached 1\.", program="/usr/bin/memcached"),
    Case("nginx", ("-t",), r"configuration file /etc/nginx/nginx.conf test is successful"),
    Case("perl", ("-MPOSIX", "-MEncode", "-e", "print floor(42.7)"), r"^42$"),
    Case("sqlite3", (":memory:", "select 6 * 7"), r"^42$"),
    Case("vim", ("--version",), r"^VIM - Vi IMproved"),
]

# Drawn at random.
DRAWN = [
    Case("asciinema", ("--version",), r"^asciinema 2\."),
    Case("bonnie++", ("-u", "nobody"), r"^Using uid:65534", 1),
    Case("bumpversion", ("--help",), r"usage: "),
    Case("glaurung", (), r"^Glaurung 2\."),
    Case("lm-sensors", ("--version",), r"sensors version 3\."),
    Case("lsof", ("-v",), r"lsof version information"),
    Case("mbt", ("-h",), r"^Usage is : mbt"),
    Case("numactl", ("--hardware",), r"available: \d+ node"),
    Case("todotxt-cli", ("-V",), r"TODO\.TXT Command Line Interface", 1),
    Case("wcc", ("--version",), r"Witchcraft"),
]


@pytest.mark.parametrize("case", [*CHOSEN, *DRAWN], ids=lambda case: case.package)
def test_its_program_starts(case: Case, fpack: Callable[..., Any], one_podman: Podman, tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    fpack("pack", f"debian.trixie.{case.package}", "-o", file)
    image = one_podman.load(file)
    # A server has arguments of its own, so the program is started without them.
    words = json.loads(one_podman("inspect", image).stdout)[0]["Config"]["Entrypoint"] or [""]
    started = next((word for word in words if word not in ("/usr/bin/tini", "--", "/usr/lib/fpack/start")), "")
    given = ["--entrypoint", case.program or started] if case.program or len(words) > 1 else []
    result = one_podman.run(image, *case.arguments, options=given, check=False)
    one_podman("rmi", "-f", image)
    shown = f"exit status {result.returncode}\n{result.stdout}{result.stderr}"
    assert re.search(case.output, result.stdout + result.stderr, re.MULTILINE), shown
    assert result.returncode == case.status, shown


def test_a_packed_server_serves(fpack: Callable[..., Any], one_podman: Podman, tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    fpack("pack", "debian.trixie.redis-server", "-o", file)
    container = one_podman.start(one_podman.load(file), "--save", "", "--logfile", "")
    container.wait_for("Ready to accept connections")
    assert container.exec("redis-cli", "set", "key", "value").stdout == "OK\n"
    assert container.exec("redis-cli", "get", "key").stdout == "value\n"
    assert container.stop(60) == 0
