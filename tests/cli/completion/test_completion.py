"""Completion: the candidates for each word, and bash, zsh and fish on a terminal, as a user types."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.processes.program import PROGRAM, Fpack, world
from support.time_limits import WAIT

PROJECT = """
# image2 = container { is = "only a comment" }
debian = import("fpack/debian").trixie
text-of(x) = \"\"\"
  fake = 1 ${x}
  \"\"\"
image = container { packages = [debian.hello] }
tools = { small = text("a", "b"), nested = { deep = 1 }, make(x) = x }
"quoted name" = 1
"""


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    archive = world(tmp_path_factory.mktemp("archive"))
    for name in ("python3-a", "python3-b", "python3.13", "g++", "g"):
        archive.add(name)
    for number in range(700):
        archive.add(f"many-{number:03}")
    archive.publish()
    return archive


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Fpack:
    """fpack that has seen the archive's list, in a directory with a project."""
    fpack = Fpack(tmp_path_factory.mktemp("completion") / "home", archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    (fpack.home / "other.fp").write_text("server = 1\nservice = 2\n")
    (fpack.home / "broken.fp").write_text("server = {")
    (fpack.home / "folder").mkdir()
    (fpack.home / "folder" / "in.fp").write_text("")
    (fpack.home / "words.txt").write_text("")
    (fpack.home / "image.tar").write_text("")
    fpack("search", "hello")
    fpack("lock")
    fpack.env["FPACK_MIRROR"] = "debian=file:///nowhere only"
    return fpack


def offered(fpack: Fpack, *words: str, shell: str = "fish", cwd: Path | None = None) -> tuple[str, list[str]]:
    """Return the mode and the candidates for the last word; nothing may be said of errors."""
    done = fpack("__complete", shell, *words, cwd=cwd)
    assert done.stderr == ""
    mode, *lines = done.stdout.splitlines() or [""]
    return mode, [line.partition("\t")[0] for line in lines]


def test_verbs_and_what_they_do(known: Fpack) -> None:
    assert offered(known, "pac") == ("plain", ["pack"])
    assert {"pack", "doctor", "completion", "--version"} <= set(offered(known, "")[1])
    assert "pack\tPack a package" in known("__complete", "fish", "pa").stdout
    assert offered(known, "nosuchverb", "") == ("plain", [])


def test_options_once_each_and_their_values(known: Fpack) -> None:
    _, options = offered(known, "pack", "postgres", "--")
    assert {"--output", "--json", "--frozen", "--help"} <= set(options)
    assert "--json" not in offered(known, "pack", "--json", "--")[1]
    assert "--package" in offered(known, "update", "--package", "dash", "--")[1]
    assert "oci-dir" in offered(known, "pack", "--format", "")[1]
    assert offered(known, "pack", "--format=oci") == ("plain", ["--format=oci-dir"])
    assert offered(known, "pack", "--no-such=", "") == offered(known, "pack", "")
    assert offered(known, "pack", "-o", "")[0] == "files"
    for verb in ("verify", "size", "closure", "show", "try"):
        assert {"image", "postgres", "image.tar", "folder/"} <= set(offered(known, verb, "")[1])
    assert "image.tar" not in offered(known, "build", "")[1]
    assert offered(known, "where", "hello", "im") == ("plain", ["image.tar"])
    assert {"image", "image.tar"} <= set(offered(known, "diff", "image.tar", "im")[1])
    assert {"trixie", "hello"} <= set(offered(known, "update", "")[1])
    assert offered(known, "pack", "--arch", "arm")[1] == ["arm64", "armhf"]
    assert offered(known, "pack", "--mirror", "") == ("plain", [])
    assert offered(known, "pack", "--", "--") == ("plain", [])


def test_verbs_that_look_at_texts(known: Fpack) -> None:
    assert {"fmt", "check", "repl", "lsp"} <= set(offered(known, "")[1])
    assert offered(known, "fmt", "")[0] == offered(known, "check", "other.fp", "")[0] == "files"
    assert {"--check", "--diff", "--help"} <= set(offered(known, "fmt", "--")[1])
    assert "--json" in offered(known, "check", "--")[1]
    assert offered(known, "repl", "o")[0] == "files"
    assert offered(known, "repl", "other.fp", "") == ("plain", [])


def test_attributes_of_the_project_before_all_else(known: Fpack) -> None:
    mode, names = offered(known, "pack", "")
    assert names[:2] == ["image", "tools"]
    assert {"postgres", "debian.", "fpack.fp", "other.fp", "folder/"} <= set(names)
    assert not {"debian", "text-of", "fake", "image2", "quoted name", "words.txt"} & set(names)
    assert offered(known, "pack", "tools.") == ("plain", ["tools.small", "tools.nested"])
    assert offered(known, "pack", "tools.nested.") == ("plain", ["tools.nested.deep"])
    assert offered(known, "pack", "image.") == ("plain", [])
    assert offered(known, "size", "image", "") == ("plain", [])


def test_attributes_of_another_file(known: Fpack) -> None:
    assert offered(known, "pack", "other.fp#ser")[1] == ["other.fp#server", "other.fp#service"]
    assert offered(known, "pack", "#")[1] == ["#image", "#tools"]
    assert offered(known, "pack", ".#")[1] == [".#image", ".#tools"]
    assert offered(known, "pack", "broken.fp#") == offered(known, "pack", "absent.fp#") == ("plain", [])


def test_files_and_folders(known: Fpack) -> None:
    assert offered(known, "pack", "fold") == ("nospace", ["folder/"])
    assert offered(known, "pack", "folder/") == ("plain", ["folder/in.fp"])
    assert offered(known, "pack", "nowhere/") == ("plain", [])


def test_debians_packages_by_release_and_beginning(known: Fpack) -> None:
    assert offered(known, "show", "debian.tr") == ("nospace", ["debian.trixie."])
    assert offered(known, "show", "debian.trixie.python3")[1] == [
        "debian.trixie.python3-a", "debian.trixie.python3-b", "debian.trixie.python3.13",
    ]  # fmt: skip
    assert offered(known, "show", "debian.trixie.g+")[1] == ["debian.trixie.g++"]
    assert offered(known, "show", "debian.sid.g") == ("plain", [])  # never seen
    assert offered(known, "show", "debian.jammy.g") == ("plain", [])


def test_too_many_names_are_offered_by_their_beginnings(known: Fpack) -> None:
    assert offered(known, "show", "debian.trixie.many-") == (
        "nospace", [f"debian.trixie.many-{digit}" for digit in range(7)],
    )  # fmt: skip
    mode, names = offered(known, "show", "debian.trixie.many-1")
    assert mode == "plain" and len(names) == 100


def test_releases_locked_names_and_words(known: Fpack) -> None:
    assert offered(known, "search", "-r", "b")[1] == ["bullseye", "bookworm"]
    assert offered(known, "update", "trix")[1] == ["trixie"]
    assert {"base-files", "dash", "hello", "libgreet1"} <= set(offered(known, "update", "-p", "")[1])
    assert offered(known, "why", "image", "libgre")[1] == ["libgreet1"]
    assert offered(known, "search", "hel")[1] == ["hello"]
    assert offered(known, "completion", "")[1] == ["bash", "fish", "zsh"]


def test_nothing_is_fetched_made_or_said_where_nothing_is_known(tmp_path: Path) -> None:
    fpack = Fpack(tmp_path / "home")
    fpack.env["FPACK_MIRROR"] = "debian=http://127.0.0.1:1 only"
    assert offered(fpack, "pack", "debian.trixie.j") == ("plain", [])
    (fpack.home / "fpack.fp").write_text("image = ")
    (fpack.home / "fpack.lock").write_text("nonsense")
    assert fpack("__complete", "fish", "pack", "debian.trixie.j").stdout == ""
    assert fpack("__complete", "fish", "update", "-p", "").stdout == ""
    assert "postgres" in offered(fpack, "pack", "")[1]
    assert fpack("__complete").stdout == "" and not (fpack.home / "store").exists()


def test_words_that_bash_broke(known: Fpack) -> None:
    assert offered(known, "pack", "--format", "=", "oci", shell="bash") == ("plain", ["oci-dir"])
    assert "oci-dir" in offered(known, "pack", "--format", "=", shell="bash")[1]
    assert offered(known, "pack", "--compress", "=", "zstd", ":", shell="bash") == ("plain", ["19"])
    assert offered(known, "pack", "--format", "=", "tar", "ima", shell="bash") == ("plain", ["image"])


# The shells.


def need(shell: str) -> str:
    place = shutil.which(shell)
    if place is None:
        pytest.skip(f"{shell} is not installed")
    return place


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_free_of_errors(known: Fpack, tmp_path: Path, shell: str) -> None:
    script = tmp_path / "script"
    script.write_text(known("completion", shell).stdout)
    done = subprocess.run([need(shell), "-n", str(script)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


FUNCTION = """
source <(fpack completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_fpack
printf '%s\\n' "${COMPREPLY[@]}"
"""


def in_bash(fpack: Fpack, *words: str) -> list[str]:
    env = fpack.env | {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [need("bash"), "--norc", "-c", FUNCTION, "bash", "fpack", *words],
        capture_output=True, text=True, env=env, cwd=fpack.home,
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()


def test_bash_gets_whole_words(known: Fpack) -> None:
    assert in_bash(known, "pac") == ["pack"]
    assert in_bash(known, "pack", "debian.trixie.g+") == ["debian.trixie.g++"]
    assert in_bash(known, "pack", "--format", "=", "oc") == ["oci-dir"]
    assert set(in_bash(known, "pack", "-o", "wo")) == {"words.txt"}
    assert in_bash(known, "pack", "nothing-like-it") == [""]


class Interactive:
    """A shell on a terminal, to which a test types."""

    def __init__(self, fpack: Fpack, command: list[str], prepare: str) -> None:
        self._pid, self._fd = os.forkpty()
        if self._pid == 0:
            os.chdir(fpack.home)
            env = {key: value for key, value in fpack.env.items() if key != "NO_COLOR"}
            os.execvpe(command[0], command, env | {"TERM": "xterm", "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"})
        self.text = ""
        # What is typed is echoed: the marks are written so that the echo does not look like them.
        self.send(f"{prepare}; show() {{ printf 'WO''RD<%s>' \"$@\"; }}; echo RE''ADY\r")
        self.wait("READY")

    def send(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait(self, what: str, seconds: float = WAIT) -> str:
        """Return the output up to a pattern. Fail if it does not come in time."""
        end = time.monotonic() + seconds
        while not (match := re.search(what, self.text)):
            ready, _, _ = select.select([self._fd], [], [], max(0, end - time.monotonic()))
            assert ready, f"{what!r} did not come in {self.text!r}"
            self.text += os.read(self._fd, 1 << 16).decode("utf-8", "replace")
        seen, self.text = self.text[: match.end()], self.text[match.end() :]
        return seen

    def completed(self, line: str, more: str = "") -> list[str]:
        """Return the words that a line becomes by the tab key, with `more` typed after it."""
        self.send(f"{line}\t{more}\x01show \x05 ; echo EN''D\r")
        return re.findall(r"WORD<([^>]*)>", self.wait("END"))

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        with contextlib.suppress(OSError):
            os.close(self._fd)


@pytest.fixture
def bash(known: Fpack) -> Iterator[Interactive]:
    shell = Interactive(known, [need("bash"), "--norc", "--noprofile", "-i"], "source <(fpack completion bash)")
    yield shell
    shell.close()


@pytest.fixture
def zsh(known: Fpack) -> Iterator[Interactive]:
    prepare = "autoload -U compinit; compinit -u -D; source <(fpack completion zsh)"
    shell = Interactive(known, [need("zsh"), "-f", "-i"], prepare)
    yield shell
    shell.close()


CASES = [
    ("fpack pac", ["fpack", "pack"]),
    ("fpack pack debian.trixie.g+", ["fpack", "pack", "debian.trixie.g++"]),
    ("fpack pack --format=oc", ["fpack", "pack", "--format=oci-dir"]),
    ("fpack pack other.fp#serve", ["fpack", "pack", "other.fp#server"]),
    ("fpack pack -o wo", ["fpack", "pack", "-o", "words.txt"]),
]


def test_bash_completes_what_is_typed(bash: Interactive) -> None:
    for line, words in CASES:
        assert bash.completed(line) == words
    # A word that is whole is followed by a blank, and a release is not.
    assert bash.completed("fpack pac", "x") == ["fpack", "pack", "x"]
    assert bash.completed("fpack pack debian.tri", "x") == ["fpack", "pack", "debian.trixie.x"]


def test_zsh_completes_what_is_typed(zsh: Interactive) -> None:
    for line, words in CASES:
        assert zsh.completed(line) == words
    assert zsh.completed("fpack pac", "x") == ["fpack", "pack", "x"]
    assert zsh.completed("fpack pack debian.tri", "x") == ["fpack", "pack", "debian.trixie.x"]


@pytest.mark.parametrize(("line", "words"), CASES)
def test_fish_completes_what_is_typed(known: Fpack, line: str, words: list[str]) -> None:
    env = known.env | {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [need("fish"), "--no-config", "-c", f"fpack completion fish | source; complete -C '{line}'"],
        capture_output=True, text=True, env=env, cwd=known.home,
    )  # fmt: skip
    assert done.stderr == "" and [each.partition("\t")[0] for each in done.stdout.splitlines()] == words[-1:]


def test_references_that_this_machine_knows(known: Fpack, tmp_path: Path) -> None:
    """Those that it pushed, that the project names and that podman has; hostile names are left out."""
    (tmp_path / "fpack.fp").write_text(
        'image = container { base = oci("registry.example/team/base:2.1@sha256:' + "4b" * 32 + '") }\n'
    )
    pushes = tmp_path / "cache" / "fpack" / "pushes"
    pushes.mkdir(parents=True)
    tags = '{"1.0": ["sha256:aa", []], "$(touch x)": [], "sha256:bb": []}'
    (pushes / "localhost:5000.json").write_text('{"format": 1, "repositories": {"team/app": {"tags": ' + tags + "}}}")
    (pushes / "broken.json").write_text("{")
    podman = tmp_path / "bin" / "podman"
    podman.parent.mkdir()
    podman.write_text("#!/bin/sh\necho quay.example/team/tools:3 '<none>:<none>' 'evil;x/y:1'\n")
    podman.chmod(0o755)
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": f"{podman.parent}:{os.environ['PATH']}"}

    def found(*words: str) -> set[str]:
        done = known("__complete", "fish", *words, cwd=tmp_path, env=env)
        return {line.partition("\t")[0] for line in done.stdout.splitlines()[1:]}

    everything = {"localhost:5000/team/app:1.0", "registry.example/team/base:2.1", "quay.example/team/tools:3"}
    assert found("pull", "") == everything
    assert found("patch", "localhost") == {"localhost:5000/team/app:1.0"}
    assert "registry.example/team/base:2.1" in found("verify", "registry.e")
    assert not found("size", "") & everything
