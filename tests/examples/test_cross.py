"""A program and its library, compiled on this machine for another one, whose programs QEMU of the lock runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fpack.builders.machines import elf_machine
from fpack.cli.workspace import machine
from support.examples import World
from support.stores.shared import shared_store

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the other machine is this one"),
]
PROJECT = """
debian = import("fpack/debian").trixie

words = make { name = "words", source = ./words, cross = true }
app = make { name = "app", source = ./app, libs = [words, debian.zlib1g-dev], cross = true }
image = container { packages = [app] }
"""
FILES = {
    "fpack.fp": PROJECT,
    "words/words.h": "const char *greeting(void);\n",
    "words/words.c": '#include "words.h"\nconst char *greeting(void) { return "Good day"; }\n',
    # A compiler that a Makefile names itself is replaced by the cross compiler.
    "words/Makefile": """\
CC = gcc
libwords.so: words.c words.h
\t$(CC) -shared -fPIC -Wl,-soname,libwords.so.1 -o libwords.so.1 words.c
install: libwords.so
\tinstall -D libwords.so.1 $(DESTDIR)$(PREFIX)/lib/libwords.so.1
\tln -s libwords.so.1 $(DESTDIR)$(PREFIX)/lib/libwords.so
\tinstall -D -m 644 words.h $(DESTDIR)$(PREFIX)/include/words.h
.PHONY: install
""",
    "app/app.c": """\
#include <stdio.h>
#include <sys/utsname.h>
#include <words.h>
#include <zlib.h>
int main(int argc, char **argv) {
  struct utsname machine;
  uname(&machine);
  return printf("%s, %s %s %lx\\n", greeting(), argv[argc - 1], machine.machine, crc32(0, (void *)"a", 1)) < 0;
}
""",
    "app/Makefile": """\
app: app.c
\t$(CC) -o app app.c -lwords -lz
install: app
\tinstall -D app $(DESTDIR)$(PREFIX)/bin/app
.PHONY: install
""",
}
ARM = ("--arch", "arm64")


def test_a_program_with_a_library_is_made_here_and_runs_there(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = World(tmp_path, store=shared_store(tmp_path_factory))
    project = tmp_path / "project"
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    done = world.fpack("build", "app", *ARM, "--no-link", "--json", cwd=project, timeout=900)
    program = Path(json.loads(done.stdout)["disk"], "bin/app").read_bytes()
    assert int.from_bytes(program[18:20], "little") == elf_machine("arm64")
    # The library of `libs` is the one that is loaded.
    assert b"-words-0/lib" in program
    lock = (project / "fpack.lock").read_text()
    assert "\npackage trixie amd64 gcc-aarch64-linux-gnu " in lock and "\npackage trixie arm64 zlib1g-dev " in lock
    if machine.runs_instead("arm64") and not machine.can_emulate():
        pytest.skip("no sandbox of this machine has an emulator")
    for words in (("run", *ARM, "app", "Ann"), ("shell", *ARM, "app", "--", "app", "Ann")):
        ran = world.fpack(*words, cwd=project, timeout=600)
        assert ran.stdout == "Good day, Ann aarch64 e8b7be43\n"
    # The image has nothing of this machine, and `verify` holds for it.
    packed = json.loads(world.fpack("pack", "--json", *ARM, cwd=project, timeout=600).stdout)
    assert packed["platform"] == "linux/arm64"
    world.fpack("verify", "app.tar", cwd=project)
