"""Test how `fpack init` finds crates, programs, checksums and needs of Debian's packages in Rust projects."""

from __future__ import annotations

from fpack.cli.init.guess import Guess
from fpack.cli.init.project import Project
from fpack.cli.init.rust import rust

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
PACKAGE = '[package]\nname = "tool"\nversion = "1.2.0"\n'


def _guess(files: dict[str, str], folders: tuple[str, ...] = (), name: str = "thing") -> Guess:
    found = rust(Project(name, files, frozenset(folders)))
    assert found is not None
    return found


def _lock(*names: str, source: str = CRATES_IO) -> str:
    rows = [f'[[package]]\nname = "{n}"\nversion = "1.0.0"\nsource = "{source}"\n' for n in names]
    return "version = 4\n" + "".join(rows)


def test_crates_are_fetched_by_the_lock() -> None:
    found = _guess({"Cargo.toml": PACKAGE, "Cargo.lock": _lock("serde"), "src/main.rs": ""})
    assert (found.fields, found.todo, found.version) == ([("lock", "./Cargo.lock")], [], "1.2.0")
    assert "Cargo.lock: 1 crate with checksums" in found.reasons


def test_features_that_the_program_needs() -> None:
    features = '[features]\ndefault = ["std"]\nstd = ["alloc"]\nalloc = []\n'
    plain = '[[bin]]\nname = "tool"\nrequired-features = ["alloc"]\n'
    needs = '[[bin]]\nname = "sum"\nrequired-features = ["std", "clap", "x/y"]\n'
    files = {"Cargo.toml": PACKAGE + features + needs, "Cargo.lock": "", "src/bin/sum.rs": ""}
    found = _guess(files)
    assert ("flags", '["--features", "clap,x/y"]') in found.fields and found.entrypoint == ["@/bin/sum"]
    found = _guess({**files, "Cargo.toml": PACKAGE + features + plain + needs})
    assert "flags" not in dict(found.fields) and found.entrypoint == ["@/bin/tool"]
    hostile = PACKAGE + '[features]\ndefault = ["default", 3]\n[[bin]]\nname = "a"\nrequired-features = ["a b"]\n'
    assert "flags" not in dict(_guess({**files, "Cargo.toml": hostile}).fields)


def test_vendored_crates_need_no_lock_field() -> None:
    assert _guess({"Cargo.toml": PACKAGE, "Cargo.lock": _lock("a"), "src/main.rs": ""}, ("vendor",)).fields == []


def test_crates_from_git_are_told() -> None:
    found = _guess({"Cargo.toml": PACKAGE, "Cargo.lock": _lock("a", source="git+https://x"), "src/main.rs": ""})
    assert found.fields == [] and "cargo vendor" in found.todo[0]


def test_the_program_of_a_workspace() -> None:
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/old"]\n'
        '[workspace.package]\nversion = "3.1.0"\n',
        "crates/core/Cargo.toml": '[package]\nname = "core"\n',
        "crates/core/src/lib.rs": "",
        "crates/old/Cargo.toml": '[package]\nname = "old"\n',
        "crates/old/src/main.rs": "",
        "crates/cli/Cargo.toml": '[package]\nname = "my-cli"\nversion.workspace = true\n[[bin]]\nname = "my"\n'
        'path = "src/main.rs"\n',
        "crates/cli/src/main.rs": "",
        "Cargo.lock": "",
    }
    found = _guess(files)
    assert (found.name, found.version, found.entrypoint) == ("my-cli", "3.1.0", ["@/bin/my"])
    assert ("crate", '"crates/cli"') in found.fields and not found.todo


def test_default_members_decide() -> None:
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["a", "b"]\ndefault-members = ["b"]\n',
        "Cargo.lock": "",
        **{f"{n}/Cargo.toml": f'[package]\nname = "{n}"\n' for n in "ab"},
        **{f"{n}/src/main.rs": "" for n in "ab"},
    }
    assert ("crate", '"b"') in _guess(files).fields


def test_several_programs_and_the_default_one() -> None:
    files = {"Cargo.toml": PACKAGE + 'default-run = "second"\n', "src/bin/first.rs": "", "src/bin/second/main.rs": ""}
    assert _guess(files).entrypoint == ["@/bin/second"]
    assert _guess({**files, "Cargo.toml": PACKAGE}).entrypoint == ["@/bin/first"]


def test_a_library_has_no_image() -> None:
    found = _guess({"Cargo.toml": PACKAGE, "src/lib.rs": "", "Cargo.lock": ""})
    assert found.library and found.entrypoint is None and ("library", "true") in found.fields


def test_crates_name_what_they_need() -> None:
    found = _guess({"Cargo.toml": PACKAGE, "Cargo.lock": _lock("openssl-sys", "pkg-config"), "src/main.rs": ""})
    assert ("tools", "[debian.pkgconf]") in found.fields and ("libs", "[debian.libssl-dev]") in found.fields
    own = _guess({"Cargo.toml": PACKAGE, "Cargo.lock": _lock("openssl-sys", "openssl-src"), "src/main.rs": ""})
    assert "libs" not in dict(own.fields)


def test_a_newer_compiler_is_offered() -> None:
    found = _guess({"Cargo.toml": PACKAGE + 'rust-version = "1.99"\n', "src/main.rs": "", "Cargo.lock": ""})
    assert "--release forky" in found.todo[0]
    assert not _guess({"Cargo.toml": PACKAGE + 'rust-version = "1.70"\n', "src/main.rs": "", "Cargo.lock": ""}).todo


def test_damaged_files_are_read_as_far_as_they_go() -> None:
    for toml in ("[", "package = 3", "workspace = []", '[package]\nname = "../x"\nversion = {}\n', "bin = 3\nlib = 4"):
        assert _guess({"Cargo.toml": toml, "Cargo.lock": "package = 1"}).call == "rust"
