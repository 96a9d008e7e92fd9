"""The web application with a database, worked on as its README says, on a real terminal."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from support.archives.shells import Terminal, kept_for
from support.needs import needs_bubblewrap
from support.paths import REPOSITORY
from support.processes.program import Fpack
from support.processes.serving import free_port
from support.stores.shared import shared_store

EXAMPLE = REPOSITORY / "examples" / "web-postgres"

pytestmark = [
    pytest.mark.network,
    needs_bubblewrap,
]


def test_the_readme_works_on_a_terminal(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, terminals: list[Terminal]
) -> None:
    project = tmp_path / "book"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("*.lock", "*.tar"))
    assert len((project / "README.md").read_text().splitlines()) == 3
    fpack = Fpack(tmp_path / "home")
    fpack.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    port = free_port()
    terminal = Terminal(fpack, "shell", cwd=project)
    terminals.append(terminal)
    terminal.wait(r"db: ready", 400)
    terminal.wait(r"\[guestbook\] .*[$#] ")
    terminal.line("echo v=$(psql -tAc 'show server_version_num') p=$PORT", r"v=17\d+ p=8000")
    terminal.line(f"export HOST=127.0.0.1 PORT={port}; python3 app.py &", rf"http://localhost:{port}")
    terminal.line(f"curl -sd 'I was here' localhost:{port}", "\n1\n")
    terminal.line(f"curl -s localhost:{port}", r"\n1\. I was here\n")
    # Job control: the server comes to the foreground, is stopped, goes on, and is ended by Ctrl-C.
    terminal.line("fg", "python3 app.py")
    time.sleep(0.3)
    terminal.type("\x1a")
    terminal.wait("Stopped")
    terminal.line("bg; jobs", "Running")
    terminal.line("fg", "python3 app.py")
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.wait("closed")
    terminal.resize(33, 77)
    terminal.line("stty size", "33 77")
    terminal.line("psql -c 'select words from entries'", r"I was here\n\(1 row\)")
    terminal.type("exit 6\n")
    assert terminal.end() == 6
    data = kept_for(fpack, project) / "services" / "db" / "data"
    assert data.is_dir() and not (data / "postmaster.pid").exists(), "the database is stopped"
    again = fpack("shell", "--", "psql", "-tAc", "select words from entries", cwd=project)
    assert again.stdout == "I was here\n", "its data stayed with the project"
