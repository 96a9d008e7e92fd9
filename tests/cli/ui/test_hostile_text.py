"""Test that texts of archives, mirrors and projects reach a terminal as text, and never as a command to it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from fpack.cli import options
from fpack.cli.ui import render
from fpack.store.errors import FpackError, printable
from support.archives.archive import Archive
from support.processes.program import Fpack, world

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\r\x7f"


@pytest.fixture
def fpack(tmp_path: Path) -> Fpack:
    return Fpack(tmp_path / "home", world(tmp_path / "archive"))


def test_what_a_terminal_would_obey_becomes_a_question_mark() -> None:
    assert printable("plain – text\n\tmore") == "plain – text\n\tmore"
    assert printable(EVIL) == "?]0;title??[2J?31m?evil??"
    assert printable("\udcff") == "?"


@pytest.mark.parametrize("color", [False, True])
def test_errors(color: bool) -> None:
    shown = render.error_text(FpackError(EVIL, where=EVIL, why=f"{EVIL}\n{EVIL}", hint=EVIL), color)
    assert re.sub(r"\x1b\[\d+m", "", shown).replace("\n", "").isprintable()
    assert shown.count("evil") == 5


def test_remarks(capsys: pytest.CaptureFixture[str]) -> None:
    render.note(EVIL)
    render.warn(EVIL)
    assert capsys.readouterr().err.replace("\n", "").isprintable()


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    value = {EVIL: [EVIL, "\udcff", "\U000e0001", "good – text"]}
    options.print_json(value)
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable() and "good – text" in out
    assert json.loads(out) == value


def on_a_terminal(fpack: Fpack, *args: str) -> str:
    """Return the output of a command on a terminal."""
    master, slave = pty.openpty()
    done = subprocess.Popen(
        fpack.command(*args), stdin=slave, stdout=slave, stderr=slave, cwd=fpack.home, env=fpack.env
    )
    os.close(slave)
    out = b""
    try:
        while data := os.read(master, 1 << 16):
            out += data
    except OSError:
        pass
    os.close(master)
    done.wait()
    return out.decode("utf-8", "replace")


def test_a_value_on_a_terminal_and_in_a_pipe(fpack: Fpack) -> None:
    text = r'"\u{1b}[2Jvalue\u{9b}"'
    assert fpack("eval", "-e", text).stdout == "\x1b[2Jvalue\x9b\n"
    assert on_a_terminal(fpack, "eval", "-e", text) == "?[2Jvalue?\r\n"


def test_the_names_in_a_package(fpack: Fpack, tmp_path: Path) -> None:
    """They reach messages, and logs."""
    archive = fpack.archive
    assert isinstance(archive, Archive)
    info = tarfile.TarInfo(f"./usr/{EVIL}/../x")
    archive.add("evil", members=[(info, b"")])
    archive.publish()
    message = fpack.fails("pack", "debian.trixie.evil")
    assert "leads out" in message and message.replace("\n", "").isprintable()


def test_a_name_that_is_no_text(fpack: Fpack) -> None:
    name = os.fsdecode(b"\xff\xfe.tar")
    done = fpack("pack", "debian.trixie.hello", "-o", name)
    assert (fpack.home / name).is_file()
    assert "\\udcff" in done.stdout
    result = fpack.pack("debian.trixie.hello", "-o", name)
    assert os.path.basename(result["file"]) == name


def test_an_encoding_that_lacks_a_character(fpack: Fpack) -> None:
    done = fpack("eval", "-e", '"–"', env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.stdout == "\\u2013\n"


def test_what_a_container_says_of_itself_is_no_shell_command(fpack: Fpack) -> None:
    (fpack.home / "fpack.fp").write_text(
        'd = import("fpack/debian").trixie\n'
        'image = container { packages = [d.hello], run-options = ["-e A=b", "; touch pwned", "$(id)\\n-v x\\u{1b}"] }\n'
    )
    command = next(line for line in fpack("pack").stdout.splitlines() if "podman run" in line)
    assert command.strip().startswith("podman run --rm -e A=b ';' touch pwned '$(id)' -v 'x?'")


def test_a_log(fpack: Fpack) -> None:
    import zstandard

    said = json.loads(fpack("log", "debian.trixie.hello", "--json", status=None).stdout)
    place = fpack.home / "store" / "logs" / f"{said['derivation']}.zst"
    place.parent.mkdir(parents=True, exist_ok=True)
    # A character that lies on the border of what is read at once stays whole.
    text = "a" * ((1 << 16) - 1) + "–" + EVIL + "\n"
    place.write_bytes(zstandard.ZstdCompressor().compress(text.encode()))
    assert fpack("log", "debian.trixie.hello").stdout.encode() == text.replace("\r", "\n").encode()
    assert on_a_terminal(fpack, "log", "debian.trixie.hello").replace("\r\n", "\n") == printable(text)
