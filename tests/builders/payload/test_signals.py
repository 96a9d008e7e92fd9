"""Test which compiled programs certainly end when they get SIGTERM as process 1."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from fpack.builders.payload.signals import ends_on_term
from support.stores.elves import elf

LOOP = "for (;;) pause(); }"
needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None or platform.machine() != "x86_64", reason="needs a compiler for amd64"
)


def compiled(place: Path, body: str, *flags: str) -> bytes:
    source = place / "a.c"
    source.write_text(
        f"#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\nstatic void h(int s) {{}}\n{body}"
    )
    subprocess.run(["cc", "-w", *flags, "-o", place / "a", source], check=True)
    return (place / "a").read_bytes()


@needs_compiler
@pytest.mark.parametrize("flags", [("-O2",), ("-O0",), ("-O2", "-fno-plt"), ("-O2", "-s", "-no-pie")])
@pytest.mark.parametrize(
    ("body", "ends"),
    [
        (f"int main() {{ signal(SIGTERM, h); {LOOP}", True),
        (f"int main() {{ struct sigaction a = {{h}}; sigaction(SIGTERM, &a, 0); {LOOP}", True),
        ("int main() { sigset_t s; int n; sigemptyset(&s); sigaddset(&s, 15); sigwait(&s, &n); return 0; }", True),
        (f"int main() {{ {LOOP}", False),
        (f"int main() {{ signal(SIGPIPE, SIG_IGN); char *volatile p = malloc(15); {LOOP}", False),
    ],
)
def test_programs_in_c(tmp_path: Path, body: str, ends: bool, flags: tuple[str, ...]) -> None:
    assert ends_on_term(compiled(tmp_path, body, *flags)) is ends


def test_a_program_in_go_ends_by_its_runtime() -> None:
    assert ends_on_term(elf() + b"\xff Go buildinf:\x08\x02")


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", elf("libc.so.6"), elf(machine=183), b"\x7fELF\2\1" + b"\xff" * 200]
)
def test_of_any_other_file_nothing_is_known(content: bytes) -> None:
    assert not ends_on_term(content)
    for size in range(0, len(content), 7):
        assert not ends_on_term(content[:size])
