"""Images with what Debian's maintainer scripts made: programs work that fail without it, and all of it is proven."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.processes.podman import Container, Podman

pytestmark = [pytest.mark.podman, pytest.mark.network]

GET = """
use IO::Socket::INET;
my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:80") or exit 1;
print $socket "GET / HTTP/1.0\\r\\n\\r\\n";
print while <$socket>;
"""
MODULE = "etc/apache2/mods-enabled/mpm_event.load"


@pytest.fixture(scope="module")
def apache(fpack: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("apache") / "image.tar"
    packed: dict[str, Any] = fpack("pack", "debian.trixie.apache2", "-o", out)
    return packed


def _page(container: Container) -> str:
    for _ in range(50):
        found = container.exec("/usr/bin/perl", "-e", GET, check=False)
        if found.returncode == 0:
            return found.stdout
        time.sleep(0.2)
    raise AssertionError(container.logs())


def test_apache_has_its_modules_and_serves(apache: dict[str, Any], podman: Podman) -> None:
    image = podman.load(Path(apache["file"]))
    container = podman.start(image, "-D", "FOREGROUND", options=["--entrypoint", "/usr/sbin/apachectl"])
    page = _page(container)
    assert page.startswith("HTTP/1.1 200 OK") and "It works" in page


def test_what_scripts_made_is_proven_and_rebuilt(apache: dict[str, Any], fpack: Callable[..., Any]) -> None:
    found = fpack("verify", apache["file"], "--manifest", apache["manifest"], "--rebuild")
    assert found["claim"] == "given" and found["differences"] == [] and found["unchecked"] == []
    others = {other["path"]: other for other in found["images"][0]["others"]}
    assert others[f"/{MODULE}"]["detail"] == "postinst of apache2"
    assert {other["origin"] for other in others.values()} == {"configured", "generated"}
    (image,) = found["images"]
    made = sum(other["origin"] == "configured" for other in others.values())
    assert image["scripts_rebuilt"] == made and all(package["signed"] for package in image["scripts"])
    assert {"apache2", "dpkg"} <= {package["package"] for package in image["scripts"]}


def test_why_names_the_script(apache: dict[str, Any], fpack: Callable[..., Any]) -> None:
    (links,) = fpack("why", "debian.trixie.apache2", f"/{MODULE}").values()
    made = links[-1]
    assert (made["kind"], made["by"], made["script"], len(made["sha256"])) == ("configured", "apache2", "postinst", 64)


def test_scripts_can_be_left_out(apache: dict[str, Any], fpack: Callable[..., Any], tmp_path: Path) -> None:
    bare = fpack("pack", "debian.trixie.apache2", "--no-configure", "-o", tmp_path / "bare.tar")
    assert bare["digest"] != apache["digest"] and bare["layers"] == apache["layers"] - 1


def test_php_loads_its_extensions(fpack: Callable[..., Any], one_podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "fpack.fp").write_text(
        'debian = import("fpack/debian").trixie\n'
        'image = container { packages = [debian."php8.4-cli", debian."php8.4-mbstring"], entrypoint = ["php"] }\n'
    )
    fpack("pack", f"{tmp_path}/fpack.fp", "-o", tmp_path / "php.tar")
    image = one_podman.load(tmp_path / "php.tar")
    assert one_podman.run(image, "-r", "echo mb_strlen('äöü');").stdout == "3"
