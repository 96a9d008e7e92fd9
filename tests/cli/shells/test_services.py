"""Programs beside a shell: started with it, shared by several, logged, and stopped with the last."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from support.archives.shells import Terminal, kept_for, out
from support.needs import needs_bubblewrap
from support.processes.program import Fpack
from support.processes.serving import free_port
from support.stores.shared import shared_store

pytestmark = needs_bubblewrap


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "site"
    place.mkdir()
    return place


SERVICES = """
debian = import("fpack/debian").trixie
wait = "while :; do sleep 0.05; done"
shell = shell {
  name = "site"
  packages = [debian.greet]
  services = {
    echo = service {
      packages = [debian.greet]
      prepare = "echo prepared >> \\"$DATA/log\\"; rm -f \\"$RUN/pipe\\"; mkfifo \\"$RUN/pipe\\""
      start = "trap 'echo stopped >> \\"$DATA/log\\"; exit 0' TERM; id -u; touch \\"$RUN/up\\"; ${wait}"
      ready = "test -e \\"$RUN/up\\""
      exports = { PIPE = "$RUN/pipe", KEPT = "$DATA/log" }
      seconds = 20
    }
  }
}
# Without `ready`, a service is ready as soon as a check can run, which may be before it exits.
bad = service { start = "echo no room; exit 3", ready = "false" }
broken = shell { packages = [debian.greet], services = { bad = bad } }
"""


def test_services_run_as_long_as_a_shell_is_open(fpack: Fpack, project: Path) -> None:
    (project / "fpack.fp").write_text(SERVICES)
    script = 'cat "$KEPT"; test -p "$PIPE" && echo pipe; echo go; read line; cat "$KEPT" | wc -l'
    words = fpack.command("shell", "--", "sh", "-c", script)
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": fpack.env, "cwd": project}
    first = subprocess.Popen(words, **options)  # type: ignore[call-overload]
    assert [first.stdout.readline() for _ in range(3)] == ["prepared\n", "pipe\n", "go\n"]
    second = subprocess.Popen(words, **options)  # type: ignore[call-overload]
    assert [second.stdout.readline() for _ in range(3)] == ["prepared\n", "pipe\n", "go\n"], "it is the same one"
    assert first.communicate("\n", timeout=60)[0] == "1\n" and first.returncode == 0
    assert second.communicate("\n", timeout=60)[0] == "1\n", "it still runs for the second shell"
    folder = kept_for(fpack, project) / "services" / "echo"
    assert (folder / "data" / "log").read_text() == "prepared\nstopped\n"
    log = (folder / "log").read_text()
    assert log.strip() != "0", "it is not root even where its user is"
    assert out(fpack, "shell", "--no-services", "--", "sh", "-c", "echo ${PIPE-none}", cwd=project) == "none"
    again = out(
        fpack, "shell", "--container", "--", "sh", "-c", 'cat "$KEPT"; test -p "$PIPE" && echo pipe', cwd=project
    )
    assert again.splitlines() == ["prepared", "stopped", "prepared", "pipe"]


def test_a_service_that_does_not_start_is_explained(fpack: Fpack, project: Path) -> None:
    (project / "fpack.fp").write_text(SERVICES)
    text = fpack.fails("shell", "#broken", "--", "echo", "entered", cwd=project)
    assert "The service bad did not start" in text and "no room" in text and "--no-services" in text


def test_ctrl_c_while_services_start_stops_them(fpack: Fpack, project: Path, terminals: list[Terminal]) -> None:
    (project / "fpack.fp").write_text(SERVICES.replace("test -e", "false && test -e"))
    terminal = Terminal(fpack, "shell", cwd=project)
    terminals.append(terminal)
    terminal.wait("echo: starting")
    service = kept_for(fpack, project) / "services" / "echo"
    log = service / "log"
    end = time.monotonic() + 120
    while not (log.exists() and log.read_text()):  # it writes its user id, when it answers signals
        assert time.monotonic() < end, "the service does not start"
        time.sleep(0.05)
    terminal.type("\x03")
    assert terminal.end() == 130
    assert (service / "data" / "log").read_text() == "prepared\nstopped\n"


CACHES = """
debian = import("fpack/debian").trixie
redis = import("fpack/redis")
common = shell {{ packages = [debian.redis-tools], services = {{ cache = redis.service {{}} }} }}
shell = shell {{
  name = "caches"
  include = [common]
  services = {{ other = redis.service {{ port = {port} }} }}
}}
"""


@pytest.mark.network
def test_redis_is_found_by_its_variables_also_of_an_included_shell(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, project: Path
) -> None:
    fpack = Fpack(tmp_path / "home")
    fpack.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    port = free_port()
    (project / "fpack.fp").write_text(CACHES.format(port=port))
    put = "echo $REDIS_URL; redis-cli -u $REDIS_URL set here there"
    assert out(fpack, "shell", "--", "sh", "-c", put, cwd=project, timeout=400).splitlines() == [
        f"redis://127.0.0.1:{port}", "OK"
    ]  # fmt: skip
    assert out(fpack, "shell", "--", "sh", "-c", "redis-cli -u $REDIS_URL get here", cwd=project) == "there"
    common = "redis-cli -s $REDIS_SOCKET set one two; echo $REDIS_URL"
    ok, url = out(fpack, "shell", "#common", "--", "sh", "-c", common, cwd=project).splitlines()
    assert ok == "OK" and url.startswith("unix:///") and url.endswith("/redis.sock")
    for name in ("cache", "other"):
        assert "ready to exit" in (kept_for(fpack, project) / "services" / name / "log").read_text()
