"""Every kind: its arguments as typed records, invalid arguments, and that a kind is one file."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest
from blake3 import blake3
from fpack.builders import arguments, kinds
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.kinds import table
from fpack.builders.net.http import Http
from fpack.builders.protocol import BuildError
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.builders.scheduler.reporter import Reporter
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store import canonical
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.store import Store

PATH = f"/fpack/store/{'a' * 32}-x"
OTHER = f"/fpack/store/{'b' * 32}-y"
FILE = {"kind": "file", "path": "/a", "mode": 0o644, "uid": 0, "gid": 0, "text": "x"}
# The arguments of each kind, with all that are optional.
COMPLETE: dict[str, dict[str, Any]] = {
    "configure": {
        "root": PATH, "packages": [{"package": "p", "payload": OTHER, "depends": ["q"]}], "skip": ["p"],
        "limits": {"size": 1},
    },
    "deb": {"deb": PATH, "package": "p", "version": "1", "arch": "amd64"},
    "exec": {
        "root": PATH, "phases": [{"name": "build", "script": "true"}], "shell": "/bin/sh", "env": {"A": "b"},
        "limits": {"size": 1}, "allowed": [PATH], "disallowed": [OTHER], "strip": False,
        "linker": OTHER, "libs": [PATH], "replacing": [PATH], "apart": True, "emulator": f"{PATH}/qemu#arm64",
        "target": "arm64", "foreign": ["/a"],
    },
    "facts": {"path": PATH, "table": True, "package": "p", "deb": OTHER, "locks": False, "part": "", "name": ""},
    "fetch": {"urls": ["file:///x"], "sha256": "0" * 64, "size": 3, "executable": True},
    "files": {"entries": [FILE]},
    "gomod": {"module": "m", "version": "v1", "zip": "h1:x", "mod": "", "toolchain": PATH},
    "image": {
        "name": "n", "tag": "t", "root": PATH, "files": None, "paths": [OTHER], "program": [PATH, "n"], "arch": "amd64",
        "max_layers": 50, "config": {"env": {}}, "codec": {"name": "zstd"}, "tools": OTHER,
        "foreign": ["/opt/**"], "annotations": [["a", "b"]], "created": ["2026-01-01T00:00:00Z"],
        "base": [{"image": OTHER, "name": "h:1/n@sha256:00", "hides": ["/a"], "first": ["/b"], "program": True}],
    },
    "layer": {
        "parts": [{"path": PATH, "prefix": ""}, {"path": OTHER, "prefix": "", "exclude": ["/a"]}],
        "codec": {"name": "none"}, "directories": [["tmp", 0o1777, 0, 0]],
    },
    "manifest": {
        "image": PATH, "paths": [OTHER], "derivation": "ab" * 20, "lock": [1], "fpack": "1", "executor": "e",
        "sources": 1, "meta": {"ab" * 20: {"licence": "MIT"}}, "base": OTHER,
    },
    "npm": {"path": "p", "url": "", "integrity": "sha512-AA=="},
    "oci": {"urls": ["oci://h:1/n"], "sha256": "0" * 64, "arch": "amd64", "tag": "1"},
    "ociblob": {"urls": ["oci://h:1/n"], "sha256": "0" * 64, "size": 3},
    "ocilayer": {
        "urls": ["oci://h:1/n"], "sha256": "0" * 64, "size": 3, "diff_id": "sha256:00",
        "media_type": "application/vnd.oci.image.layer.v1.tar",
    },
    "pypi": {
        "project": "p", "version": "1", "hashes": ["0" * 64], "urls": ["file:///x"], "python": "3.13", "libc": "2.41",
        "arch": "amd64", "optional": False, "sources": True,
    },
    "relocated": {"root": PATH},
    "resolve": {
        "root": PATH, "phases": [{"name": "resolve", "script": "true"}], "repositories": ["maven:https://r/"],
        "shell": "/bin/sh", "env": {"A": "b"}, "limits": {"size": 1},
    },
    "root": {
        "mode": "linked", "release": "trixie", "arch": "amd64", "wants": ["x"], "users": [{"name": "u"}],
        "slices": [{"package": "p", "version": "1", "depends": ["q"], "seed": True, "slice": PATH,
                    "used": [{"by": "q", "why": "w"}], "data": True}],
        "alternatives": {"/a": "/b"}, "built": [{"path": OTHER, "packages": ["p"], "foreign": ["q"]}],
        "service": [{"package": "p", "first_start": [{"creates": "/a", "command": ["c"]}], "init": True,
                     "init_if_needed": True, "words": ["w"], "built": ["x", "y"]}],
        "configured": OTHER, "configured_drop": ["/a"], "setuid": ["/b"], "database": True, "interpreted": True,
        "replace": [{"package": "p", "path": OTHER, "packages": ["q"]}], "certificates": True, "files": OTHER,
        "base": [{"image": OTHER, "name": "h:1/n@sha256:00", "hides": ["/a"], "first": ["/b"], "program": True}],
        "before_scripts": True,
    },
    "sbom": {"manifest": PATH, "formats": ["cyclonedx-1.6"], "fpack": "1", "supplier": "s"},
    "skeleton": {"source": PATH, "language": "rust", "vendor": "crates"},
    "slice": {"payload": PATH, "keep": ["/a"], "drop": ["/b"], "setuid": ["/c"], "lenient": True, "beside": "arm64"},
    "source": {"tree": "0" * 64},
    "text": {"text": "t", "executable": True},
}  # fmt: skip
# Digests of the keys of derivations with these arguments. A digest changes only if its kind has a new version.
DIGESTS = {
    "configure": "3bb9fbca8abcc670",
    "deb": "0ceb1faa53af6d9b",
    "exec": "bb9047bd36a1331b",
    "facts": "a0f3bf7c87d6bb57",
    "fetch": "07f36f1f71485e04",
    "files": "05d2a081a5b2a6de",
    "gomod": "1b6fa697069b04f9",
    "image": "a1c55ddc3244c126",
    "layer": "eacd33cce89eedb6",
    "manifest": "27680ce7e061d0b1",
    "npm": "28b1256fab9cabc9",
    "oci": "131664045e4c21e8",
    "ociblob": "d5534109d690c61a",
    "ocilayer": "aaf0a92e970b72b5",
    "pypi": "82d346add165fac0",
    "relocated": "986e5659f4152358",
    "resolve": "3035c6d5a0d97e5d",
    "root": "191fda686019904f",
    "sbom": "172fe4da580e82bb",
    "skeleton": "0970c947bd9cc224",
    "slice": "920caa6b917d162c",
    "source": "da8e8421d65924c2",
    "text": "a0a7b1cf054e8713",
}
SHOUT = """
from typing import NamedTuple
from fpack.builders import arguments
from fpack.builders.protocol import BaseBuilder, Built

VERSION = 7

class ShoutArgs(NamedTuple):
    words: str

class ShoutBuilder(BaseBuilder):
    version = VERSION

    def build(self, task):
        writer = task.writer()
        writer.file("", [arguments.read(ShoutArgs, task.args).words.upper().encode()])
        return Built(writer)
"""


def record(kind: str) -> Any:
    """Return the record of a kind's arguments."""
    return getattr(table._module(kind), f"{kind.capitalize()}Args")


def builders(store: Store) -> Mapping[str, Any]:
    missing = lambda url: ""  # noqa: E731
    services = SimpleNamespace(
        store=store,
        origins=lambda url: [url],
        source_paths={},
        source_selections={},
        keep_failed=False,
        http=Http,
        keep_blobs=False,
        repository=lambda address: DirectoryRepository(Path("/nonexistent")),
        missing=missing,
        files=lambda: None,
    )
    return table.Builders(services)


def build(store: Store, drv: Derivation) -> Path:
    body = drv.encode()
    scheduler = Scheduler(store, builders(store), Reporter(), assemble=assemble, bodies={digest(body): body})
    (path,) = scheduler.realise([Output(digest(body))])
    return store.disk(path)


@pytest.mark.parametrize("kind", table.kinds())
def test_arguments_are_a_record_and_back(kind: str) -> None:
    args = COMPLETE[kind]
    typed = arguments.read(record(kind), args)
    assert get_type_hints(record(kind)).keys() == args.keys()
    assert arguments.write(typed) == args


@pytest.mark.parametrize("kind", table.kinds())
def test_keys_depend_on_the_arguments_as_recorded(kind: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    key = builders(store)[kind].key(Derivation(kind, "name", COMPLETE[kind]))
    assert blake3(canonical.encode(key)).hexdigest(8) == DIGESTS[kind]


@pytest.mark.parametrize("kind", table.kinds())
def test_invalid_arguments_are_errors_of_the_derivation(kind: str, tmp_path: Path) -> None:
    """Each argument that is missing, of another type, or holds something of another type: no failure of fpack."""
    store = Store(tmp_path / "store")
    wrong: list[dict[str, Any]] = [{}]
    for name in COMPLETE[kind]:
        wrong += [{**COMPLETE[kind], name: value} for value in (b"bytes", [b"bytes"], [[]], {"a": b""}, [{}], 1 << 40)]
    for args in wrong:
        try:
            build(store, Derivation(kind, "name", args))
        except BuildsFailed as error:
            assert "bug" not in error.hint and not error.what.startswith("fpack failed"), (args, error.why)


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"text": 5}, "it is 5, and should be a string"),
        ({"text": None}, "it is null, and should be a string"),
        ({"text": "x", "executable": 1}, "it is 1, and should be true or false"),
    ],
)
def test_an_argument_of_another_type_is_named(args: dict[str, Any], why: str) -> None:
    with pytest.raises(BuildError) as caught:
        arguments.read(record("text"), args)
    assert caught.value.what.startswith(f"The argument '{'executable' if len(args) > 1 else 'text'}'")
    assert caught.value.why == why


def test_a_nested_argument_is_named() -> None:
    args = {**COMPLETE["layer"], "parts": [{"path": "/etc", "prefix": ""}]}
    with pytest.raises(BuildError, match="'parts'") as caught:
        arguments.read(record("layer"), args)
    assert caught.value.why == "The argument 'path' of a derivation is invalid: '/etc' is not a store path"


def test_versions_are_those_of_the_modules() -> None:
    assert table.versions() == {kind: table._module(kind).VERSION for kind in table.kinds()}
    assert all(builder.version == table.versions()[kind] for kind, builder in builders(SimpleNamespace()).items())  # type: ignore[arg-type]


def test_local_kinds_are_read_from_the_sources() -> None:
    assert table.local_kinds() == {kind for kind in table.kinds() if getattr(table._module(kind), "LOCAL", False)}
    assert table.local_kinds() == {"deb", "source"}


def test_the_generation_changes_with_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = table.generation()
    found = table.versions()
    assert before == zlib.crc32(repr(sorted((k, v) for k, v in found.items() if v > 1)).encode()) >> 1
    monkeypatch.setattr(table, "versions", lambda: {**found, "new": 1})
    assert table.generation() == before
    monkeypatch.setattr(table, "versions", lambda: {**found, "deb": 99})
    assert table.generation() != before


def test_a_kind_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shout.py").write_text(SHOUT)
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    store = Store(tmp_path / "store")
    assert table.versions()["shout"] == 7
    assert build(store, Derivation("shout", "loud", {"words": "hello"})).read_text() == "HELLO"
    with pytest.raises(BuildsFailed, match="'words'"):
        build(store, Derivation("shout", "loud", {}))
