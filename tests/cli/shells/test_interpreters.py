"""zsh, fish and bash of a newer release, typed into on a real terminal: prompt, start-up files, completion, the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.archives.shells import Terminal
from support.needs import needs_bubblewrap
from support.processes.program import Fpack
from support.stores.shared import shared_store

pytestmark = [
    pytest.mark.network,
    needs_bubblewrap,
]

PROJECT = """
debian = import("fpack/debian").trixie
shell = shell { name = "lab", packages = [debian.zsh, debian.fish, debian.git], hook = "export ORDER=hooked" }
"""
# kind: its start-up file, with a PATH that the host's own would have; and what shows the first of PATH.
KINDS = {
    "bash": (".bashrc", "export FROM_RC=mine; PATH=/opt/host:$PATH", "${PATH%%:*}"),
    "zsh": (".zshrc", "export FROM_RC=mine; PATH=/opt/host:$PATH", "${PATH%%:*}"),
    "fish": (".config/fish/config.fish", "set -gx FROM_RC mine; set -gx PATH /opt/host $PATH", "$PATH[1]"),
}


@pytest.fixture(scope="module")
def entered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fpack, Path]:
    fpack = Fpack(tmp_path_factory.mktemp("user") / "home")
    fpack.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    project = fpack.home / "lab"
    project.mkdir()
    (project / "fpack.fp").write_text(PROJECT)
    (project / "a-long-name.txt").write_text("the file's text\n")
    for place, text, _ in KINDS.values():
        (fpack.home / place).parent.mkdir(parents=True, exist_ok=True)
        (fpack.home / place).write_text(text + "\n")
    fpack("shell", "--", "true", cwd=project, timeout=400)
    return fpack, project


@pytest.mark.parametrize("kind", KINDS)
def test_one_types_into_it(entered: tuple[Fpack, Path], terminals: list[Terminal], kind: str) -> None:
    fpack, project = entered
    first = KINDS[kind][2]
    terminal = Terminal(fpack, "shell", cwd=project, env={"SHELL": f"/usr/bin/{kind}"})
    terminals.append(terminal)
    terminal.wait(r"\[lab\] ")
    terminal.line(f"echo $FROM_RC-$ORDER-{first}-$FPACK_SHELL", "mine-hooked-/usr/local/sbin-lab")
    terminal.wait(r"\[lab\] ")
    # A file's name is completed, and a subcommand by what its own package says of it.
    terminal.type("cat a-lo\t")
    terminal.wait("a-long-name.txt")
    terminal.type("\n")
    terminal.wait("the file's text")
    terminal.wait(r"\[lab\] ")
    terminal.type("git cherry-p\t")
    terminal.wait("cherry-pick")
    terminal.type("\x15")  # the line is taken back
    terminal.resize(31, 93)
    terminal.line("stty size", "31 93")
    terminal.begin("sleep 301")
    terminal.type("\x03")
    terminal.wait(r"\[lab\] ")
    terminal.type("exit 7\n")
    assert terminal.end() == 7


def test_zsh_sources_no_dump_of_anothers(entered: tuple[Fpack, Path], terminals: list[Terminal]) -> None:
    """compinit runs what its dump says, so a dump in a directory that others can write to would be their command."""
    fpack, project = entered

    def shown(text: str, **env: str) -> None:
        terminal = Terminal(fpack, "shell", "--interpreter", "zsh", cwd=project, env=env)
        terminals.append(terminal)
        terminal.wait(r"\[lab\] ")
        terminal.line("echo planted=${PLANTED-none}", text)
        terminal.type("exit\n")
        assert terminal.end() == 0

    shown("planted=none\n")
    folder = fpack.home / ".cache/fpack/zsh"
    (dump,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    planted = dump.read_text() + "PLANTED=yes\n"
    dump.write_text(planted)
    shown("planted=yes\n")  # a dump of the user's own is taken
    for fault in ("mode", "owner"):
        other = fpack.home / fault / "fpack/zsh"
        other.mkdir(parents=True)
        (other / dump.name).write_text(planted)
        if fault == "mode":
            other.chmod(0o777)
        elif os.geteuid() == 0:
            os.chown(other, 12345, -1)
        else:
            continue
        shown("planted=none\n", XDG_CACHE_HOME=str(other.parent.parent), HOME=str(fpack.home))
