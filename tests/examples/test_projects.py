"""Projects as their authors have them: with the file that `fpack init` writes they are built, run and packed."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from support.archives.goproxy import GoProxy
from support.examples import EXAMPLES, World
from support.needs import needs_podman
from support.processes.podman import Podman

pytestmark = [pytest.mark.network, *needs_podman]


def _begun(world: World, place: Path, *left: str) -> None:
    """Begin a project; `left` is what its author is told to do."""
    told = json.loads(world.fpack("init", "--json", cwd=place).stdout)
    assert [line for line in told["todo"] if not line.startswith(left or "-")] == []
    assert len(told["todo"]) == len(left)


@pytest.mark.parametrize(
    ("source", "name", "word", "answer"),
    [
        ("c-hello/src", "hello", "you", "Hello, you!\n"),
        ("autotools/src", "roman", "1994", "MCMXCIV\n"),
        ("rust/src", "tally", "word", "word: 1 time\n"),
        ("ruby/src", "nearest", "pelikan", "pelican\n"),
    ],
)
def test_a_project_is_built_run_and_packed(
    world: World, podman: Podman, tmp_path: Path, source: str, name: str, word: str, answer: str
) -> None:
    place = tmp_path / name
    shutil.copytree(EXAMPLES / source, place)
    _begun(world, place)
    assert world.fpack("run", name, "--", name, word, cwd=place, timeout=900).stdout == answer
    packed = world.fpack.pack(cwd=place, timeout=600)
    assert podman.run(podman.load(place / packed["file"]), word).stdout == answer


@pytest.mark.parametrize(("source", "name"), [("flask/src", "app"), ("node/src", "greeter"), ("go/src", "greeter")])
def test_a_web_server_is_built_and_packed(world: World, tmp_path: Path, source: str, name: str) -> None:
    place = tmp_path / name
    shutil.copytree(EXAMPLES / source, place)
    if source.startswith("flask"):
        shutil.copy(EXAMPLES / "flask/requirements.txt", place)
    _begun(world, place)
    assert world.fpack.pack(cwd=place, timeout=900)["digest"]


C_IN_GO = {
    "go.mod": "module example.org/keeper\n\ngo 1.24\n",
    "pages/index.txt": "embedded\n",
    "store/store.go": "package store\n\n// #cgo LDFLAGS: -lsqlite3\n// #include <sqlite3.h>\n"
    'import "C"\n\nfunc Complete(sql string) bool { return C.sqlite3_complete(C.CString(sql)) == 1 }\n',
    "main.go": 'package main\n\nimport (\n\t_ "embed"\n\t"fmt"\n\t"os"\n\n\t"example.org/keeper/store"\n)\n\n'
    "//go:embed pages/index.txt\nvar page string\n\n"
    "func main() { fmt.Print(store.Complete(os.Args[1]), page) }\n",
}
SUM = hashlib.sha256(b"words").hexdigest()
VENDORED = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "core"]\nresolver = "2"\n',
    "Cargo.lock": 'version = 3\n\n[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = [\n "core-words",\n]\n\n'
    '[[package]]\nname = "core-words"\nversion = "0.1.0"\ndependencies = [\n "words",\n]\n\n'
    '[[package]]\nname = "words"\nversion = "1.0.0"\n'
    f'source = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "{SUM}"\n',
    ".cargo/config.toml": '[source.crates-io]\nreplace-with = "vendored-sources"\n\n[source.vendored-sources]\n'
    'directory = "vendor"\n',
    "app/Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n'
    'core-words = { path = "../core" }\n',
    "app/src/main.rs": 'fn main() { println!("{}", core_words::say()); }\n',
    "core/Cargo.toml": '[package]\nname = "core-words"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n'
    'words = "1"\n',
    "core/src/lib.rs": 'pub fn say() -> String { format!("{} words", words::day()) }\n',
    "vendor/words/Cargo.toml": '[package]\nname = "words"\nversion = "1.0.0"\nedition = "2021"\n',
    "vendor/words/src/lib.rs": 'pub fn day() -> &\'static str { "vendored" }\n',
    "vendor/words/.cargo-checksum.json": json.dumps({"files": {}, "package": SUM}),
}
# A job that cron, a timer or a scheduler of containers starts: it ends.
JOB = {
    "report.sh": "#!/bin/sh\nset -e\njq -n --arg day \"$1\" '{day: $day}'\n",
    "crontab": "0 3 * * * /app/report.sh\n",
}


@pytest.mark.parametrize(
    ("name", "files", "word", "answer"),
    [
        ("keeper", C_IN_GO, "select 1;", "trueembedded\n"),
        ("app", VENDORED, "", "vendored words\n"),
        ("report", JOB, "monday", '{\n  "day": "monday"\n}\n'),
    ],
)
def test_a_small_program(
    world: World, podman: Podman, tmp_path: Path, name: str, files: dict[str, str], word: str, answer: str
) -> None:
    place = tmp_path / name
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
        (place / path).chmod(0o755 if text.startswith("#!") else 0o644)
    _begun(world, place)
    packed = world.fpack.pack(cwd=place, timeout=900)
    assert podman.run(podman.load(place / packed["file"]), word).stdout == answer


MAIN = """package main

import (
\t"fmt"
\t"os"

\t"example.org/Greeting"
)

func main() { fmt.Println(greeting.For(os.Args[1])) }
"""


def test_go_modules_come_by_go_sum(world: World, podman: Podman, tmp_path: Path) -> None:
    proxy = GoProxy(tmp_path / "proxy")
    proxy.add(
        "example.org/words",
        "v0.1.0",
        {"go.mod": "module example.org/words\n\ngo 1.21\n", "words.go": 'package words\n\nconst Day = "Good day"\n'},
    )
    greeting = (
        'package greeting\n\nimport "example.org/words"\n\nfunc For(n string) string { return words.Day + ", " + n }\n'
    )
    needs = "require example.org/words v0.1.0"
    proxy.add(
        "example.org/Greeting",
        "v1.2.0",
        {"go.mod": f"module example.org/Greeting\n\ngo 1.21\n\n{needs}\n", "greeting.go": greeting},
    )
    place = tmp_path / "hello"
    place.mkdir()
    (place / "main.go").write_text(MAIN)
    (place / "go.mod").write_text(
        f"module example.org/hello\n\ngo 1.24\n\nrequire example.org/Greeting v1.2.0\n\n{needs} // indirect\n"
    )
    (place / "go.sum").write_text(proxy.sums)
    _begun(world, place)
    env = {"GOPROXY": f"{proxy.url},direct"}
    assert world.fpack("run", "hello", "--", "hello", "Ann", cwd=place, env=env, timeout=900).stdout == (
        "Good day, Ann\n"
    )
    packed = world.fpack.pack(cwd=place, env=env, timeout=300)
    assert podman.run(podman.load(place / packed["file"]), "Bob").stdout == "Good day, Bob\n"
    # They are sources of the image, with the hashes of go.sum.
    sources = json.loads(Path(packed["manifest"]).read_text())["sources"]
    hashes = [hash_ for each in sources if each["kind"] == "gomod" for hash_ in each["hashes"]]
    assert sorted(hashes) == sorted(word for word in proxy.sums.split() if word.startswith("h1:"))
    world.fpack("verify", packed["file"], cwd=place, env=env)
    # The modules are in the store by now; one that is locked to another hash is had again.
    (place / "go.sum").write_text(proxy.sums.replace(proxy.sums.split()[2], f"h1:{'A' * 43}="))
    error = world.fpack.fails("build", "hello", cwd=place, env=env)
    assert "A Go module differs from go.sum" in error and f"h1:{'A' * 43}=" in error
    (place / "go.sum").write_text(proxy.sums.replace("v1.2.0", "v1.3.0"))
    assert "There is no such file" in world.fpack.fails("build", "hello", cwd=place, env=env)
    (place / "go.sum").write_text("not a line\n")
    assert "This line of go.sum has no module, version and hash" in world.fpack.fails("build", "hello", cwd=place)
