"""Rust projects whose crates are fetched by the checksums of Cargo.lock, from a registry that replaces crates.io."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.crates import CrateRegistry, crate
from support.examples import World
from support.servers.httpserver import Server

pytestmark = pytest.mark.network


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[CrateRegistry]:
    found = CrateRegistry(tmp_path / "registry")
    with Server(found.folder) as server:
        found.configure(tmp_path / "cargo", server.url)
        yield found


def _project(place: Path, lock: str, needs: str, main: str) -> Path:
    (place / "src").mkdir(parents=True)
    (place / "Cargo.toml").write_text(f'[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2021"\n{needs}')
    (place / "src/main.rs").write_text(main)
    (place / "Cargo.lock").write_text(lock)
    return place


def _hello(*depends: str) -> str:
    return f'[[package]]\nname = "hello"\nversion = "0.1.0"\ndependencies = {json.dumps(list(depends))}\n'


def test_a_project_runs_with_its_crates(world: World, registry: CrateRegistry, tmp_path: Path) -> None:
    registry.add("words", "0.3.1+x", {"src/lib.rs": 'pub fn day() -> &\'static str { "Good day" }\n'})
    manifest = '[package]\nname = "greeting"\nversion = "1.2.0"\nedition = "2021"\n[dependencies]\nwords = "0.3"\n'
    code = 'pub fn greet(n: &str) -> String { format!("{}, {n} {}", words::day(), env!("CARGO_MANIFEST_DIR")) }\n'
    registry.add("greeting", "1.2.0", {"Cargo.toml": manifest, "src/lib.rs": code}, ["words"])
    main = 'fn main() { println!("{}", greeting::greet(&std::env::args().nth(1).unwrap())) }\n'
    lock = f"version = 4\n\n{registry.lock}{_hello('greeting')}"
    place = _project(tmp_path / "hello", lock, '[dependencies]\ngreeting = "1"\n', main)
    # A mirror of the project's author is for downloads, not for builds.
    (place / ".cargo").mkdir()
    (place / ".cargo/config.toml").write_text('[source.crates-io]\nreplace-with = "other"\n')
    env = {"CARGO_HOME": str(tmp_path / "cargo")}
    assert json.loads(world.fpack("init", "--json", cwd=place).stdout)["todo"] == []
    answer = world.fpack("run", "hello", "--", "hello", "Ann", cwd=place, env=env, timeout=900).stdout
    # The result mentions no path of the crates in the store.
    assert answer == "Good day, Ann /build/crates/0/greeting-1.2.0\n"
    (place / "Cargo.lock").write_text(lock.replace(hashlib.sha256(registry.place("words", "0.3.1+x").read_bytes())
                                                   .hexdigest(), "0" * 64))  # fmt: skip
    assert "0" * 64 in world.fpack.fails("build", "hello", cwd=place, env=env)
    (place / "Cargo.lock").write_text(lock.replace("0.3.1+x", "../../../etc"))
    assert "a crate of an invalid name or version" in world.fpack.fails("build", "hello", cwd=place, env=env)
    (place / "Cargo.lock").write_text(lock.replace(registry.source, "git+https://example.org/x?rev=1#1"))
    assert "comes from git" in world.fpack.fails("build", "hello", cwd=place, env=env)


def test_a_project_without_a_lock_gets_one_that_its_compiler_can_use(
    world: World, registry: CrateRegistry, tmp_path: Path
) -> None:
    code = 'pub fn day() -> &\'static str { "Good day" }\n'
    checksum = registry.add("words", "0.3.1", {"src/lib.rs": code})
    registry.add("words", "0.3.2", {"src/lib.rs": code}, rust="1.999")
    place = _project(
        tmp_path / "hello", "", '[dependencies]\nwords = "0.3"\n', 'fn main() { print!("{}", words::day()) }\n'
    )
    (place / "Cargo.lock").unlink()
    (place / ".gitignore").write_text("Cargo.lock\n")  # as of many libraries
    env = {"CARGO_HOME": str(tmp_path / "cargo")}
    assert json.loads(world.fpack("init", "--json", cwd=place).stdout)["todo"] == ["lock the crates: fpack lock"]
    assert "fpack lock" in world.fpack.fails("build", "hello", cwd=place, env=env)
    written = json.loads(world.fpack("lock", "--json", cwd=place, env=env, timeout=900).stdout)["written"]
    assert written == [str(place / "Cargo.lock")]
    lock = (place / "Cargo.lock").read_text()
    assert checksum in lock and "0.3.2" not in lock and registry.source in lock
    assert world.fpack("run", "hello", "--", "hello", cwd=place, env=env, timeout=900).stdout == "Good day"
    assert json.loads(world.fpack("lock", "--json", cwd=place, env=env).stdout)["written"] == []


def _link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize(
    ("files", "links", "why"),
    [
        ({"bad-1.0.0/Cargo.toml": "", "other-1.0.0/x": ""}, [], "files outside of bad-1.0.0"),
        ({"bad-1.0.0/Cargo.toml": "", "bad-1.0.0/../../up": ""}, [], ".."),
        ({"bad-1.0.0/x": ""}, [], "no Cargo.toml"),
        ({"bad-1.0.0/Cargo.toml": ""}, [("bad-1.0.0/l", "/etc/passwd")], "links or devices"),
        ({f"bad-1.0.0/{n}": "" for n in range(10_000)}, [], "no Cargo.toml"),
    ],
    ids=["elsewhere", "above", "nothing", "link", "many"],
)
def test_hostile_archives(
    world: World,
    registry: CrateRegistry,
    tmp_path: Path,
    files: dict[str, str],
    links: list[tuple[str, str]],
    why: str,
) -> None:
    old = registry.add("bad", "1.0.0", {})
    data = crate(files, [_link(*link) for link in links])
    registry.place("bad", "1.0.0").write_bytes(data)
    lock = f"version = 4\n\n{registry.lock.replace(old, hashlib.sha256(data).hexdigest())}{_hello('bad')}"
    place = _project(tmp_path / "hello", lock, '[dependencies]\nbad = "1"\n', "fn main() {}\n")
    (place / "fpack.fp").write_text('hello = rust { name = "hello", source = ./., lock = ./Cargo.lock }\n')
    error = world.fpack.fails("build", "hello", cwd=place, env={"CARGO_HOME": str(tmp_path / "cargo")}, timeout=600)
    assert why in error and "Traceback" not in error
