"""Test that `fpack log` finds the log of a build, or the logs of the failed builds that it needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.archives.archive import Archive, file
from support.fixtures import own_archive as own_archive
from support.processes.program import Fpack
from support.processes.terminal import on_terminal
from support.stores.elves import elf

PROJECT = """
debian = import("fpack/debian").trixie
image = container { name = "quiet", packages = [debian.hello] }
missing = fetch { url = "file:///nowhere/at/all", sha256 = "%s", name = "missing" }
broken = container {
  name = "broken", packages = [debian.hello], entrypoint = ["/usr/bin/hello"]
  files = { "/srv/file" = { source = missing } }
}
""" % ("0" * 64)


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    fpack = Fpack(tmp_path / "home", archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    return fpack


def write_log(fpack: Fpack, derivation: str, text: bytes) -> Path:
    """Return a log as a build leaves it."""
    import zstandard

    place = fpack.home / "store" / "logs" / f"{derivation}.zst"
    place.write_bytes(zstandard.ZstdCompressor().compress(text))
    return place


def derivation(fpack: Fpack, what: str) -> str:
    found: str = json.loads(fpack("log", what, "--json", status=None).stdout)["derivation"]
    return found


def test_what_was_never_built_has_no_log(fpack: Fpack) -> None:
    message = fpack.fails("log", "fpack.fp#image")
    assert "There is no log of fpack.fp#image" in message and "fpack build fpack.fp#image" in message
    done = fpack("log", "fpack.fp#image", "--json", status=1)
    assert json.loads(done.stdout)["logs"] == []


def test_its_own_log_is_shown_as_it_was_written(fpack: Fpack) -> None:
    text = "one\n\ttwo \u2500\n" + "long\n" * 50_000
    place = write_log(fpack, derivation(fpack, "fpack.fp#missing"), text.encode() + b"\xff\n")
    assert fpack("log", "fpack.fp#missing").stdout == text + "\ufffd\n"
    (log,) = json.loads(fpack("log", "fpack.fp#missing", "--json").stdout)["logs"]
    assert (log["kind"], log["name"], log["place"]) == ("fetch", "missing", str(place))
    assert log["text"] == text + "\ufffd\n"


def test_without_a_log_of_its_own_those_of_its_inputs_are_shown(fpack: Fpack) -> None:
    write_log(fpack, derivation(fpack, "fpack.fp#missing"), b"no such file\n")
    assert fpack("log", "fpack.fp#broken").stdout == "== fetch missing\nno such file\n"
    write_log(fpack, derivation(fpack, "fpack.fp#broken"), b"of the image\n")
    assert fpack("log", "fpack.fp#broken").stdout == "of the image\n"
    assert fpack("log", "fpack.fp#broken", "--all").stdout.splitlines() == [
        "== fetch missing", "no such file", "== image broken", "of the image",
    ]  # fmt: skip


def test_a_log_cannot_command_the_terminal(fpack: Fpack) -> None:
    write_log(fpack, derivation(fpack, "fpack.fp#missing"), b"a\x1b]0;title\x07b\n")
    assert "\x1b]" not in on_terminal(fpack, "log", "fpack.fp#missing", color=True)
    assert fpack("log", "fpack.fp#missing").stdout == "a\x1b]0;title\x07b\n"


def test_a_log_that_is_damaged(fpack: Fpack) -> None:
    place = write_log(fpack, derivation(fpack, "fpack.fp#missing"), b"text\n")
    place.write_bytes(b"no zstd")
    assert str(place) in fpack.fails("log", "fpack.fp#missing")


def test_a_real_build_that_had_something_to_say(fpack: Fpack, archive: Archive) -> None:
    archive.add("tool", files={"usr/bin/tool": file(elf("libabsent.so.1"), 0o755)})
    archive.publish()
    (fpack.home / "fpack.fp").write_text(
        'image = container { name = "tool", closure = "linked", packages = [import("fpack/debian").trixie.tool] }'
    )
    fpack.pack()
    text = fpack("log").stdout
    assert "== root tool-root\n/usr/bin/tool of tool: no package has libabsent.so.1" in text
    assert text.index("== fetch tool_1.0_amd64.deb\n") < text.index("== root")


def test_the_log_of_an_input_is_named_with_or_without_its_version(fpack: Fpack) -> None:
    project = """
    ssl = text("ssl-1.1", "x")
    app = container {
      name = "app"
      packages = [import("fpack/debian").trixie.hello]
      files = { "/srv/ssl" = { source = ssl } }
    }
    """
    (fpack.home / "fpack.fp").write_text(project)
    write_log(fpack, derivation(fpack, "fpack.fp#ssl"), b"log of ssl\n")
    assert fpack("log", "fpack.fp#app", "ssl").stdout == "log of ssl\n"
    assert fpack("log", "fpack.fp#app", "ssl-1.1").stdout == "log of ssl\n"
    message = fpack.fails("log", "fpack.fp#app", "sssl")
    assert "No input of fpack.fp#app that has a log is called 'sssl'" in message and "ssl-1.1" in message
