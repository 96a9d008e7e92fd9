"""Maintainer scripts of small packages, run in a real store on a tree of this machine's dpkg, shell and tools.

Each caller is a process of its own, as root or as a user without rights, as in `support.attacks.builds`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.store.path import StorePath
from support.archives import debs
from support.archives.debs import Item
from support.attacks.builds import Caller, Result, callers, serve, tell

PROGRAMS = (
    "dash", "bash", "cat", "chgrp", "chmod", "chown", "chroot", "cmp", "cp", "cut", "date", "dd", "diff", "dpkg",
    "dpkg-deb", "dpkg-divert", "dpkg-query", "dpkg-split", "dpkg-statoverride", "dpkg-trigger", "env", "false", "grep",
    "groupadd", "head", "hostname", "id", "install", "ldconfig", "ln", "ls", "mkdir", "mkfifo", "mknod", "mktemp",
    "mount", "mv", "od", "readlink", "rm", "rmdir", "sed", "seq", "setpriv", "setsid", "sleep", "sort",
    "start-stop-daemon", "stat", "tail", "tar", "touch", "tr", "true", "truncate", "umount", "uname", "unshare",
    "update-alternatives", "useradd", "usermod", "wc",
)  # fmt: skip
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class Package(NamedTuple):
    """A package. scripts: shell commands of each script, or other control files. fields: of its control file."""

    name: str
    scripts: Mapping[str, str] = {}
    files: Mapping[str, str] = {}
    depends: Sequence[str] = ()
    fields: Mapping[str, str] = {}
    items: Sequence[Item] = ()


class Configured(NamedTuple):
    """The output of a run."""

    place: Path
    entries: dict[str, TreeEntry]
    extra: dict[str, Any]
    lines: list[str]

    def text(self, path: str) -> str:
        """Return the content of a file."""
        return (self.place / "data" / path).read_text()

    @property
    def origins(self) -> dict[str, tuple[str, str]]:
        """The package and the script of each path."""
        return {os.fsdecode(path): (package, script) for path, package, script, _ in self.extra["configured"]}

    @property
    def unstable(self) -> dict[str, tuple[str, str]]:
        """The package and the reason of each path that was not kept."""
        return {os.fsdecode(path): (package, reason) for path, package, reason in self.extra["unstable"]}

    @property
    def removed(self) -> dict[str, tuple[str, str]]:
        """The package and the script of each path that was removed."""
        return {os.fsdecode(path): (package, script) for path, package, script in self.extra["removed"]}


class Configurer(Caller):
    """A process that runs maintainer scripts."""

    module = "support.stores.configured"
    ids = True

    def begin(self, *packages: Package, skip: Sequence[str] = (), copied: bool = False, **limits: int) -> None:
        """Begin to configure packages. copied: as where the file system cannot show files as another user's."""
        listed = [
            {**p._asdict(), "items": [{**item._asdict(), "content": item.content.decode()} for item in p.items]}
            for p in packages
        ]
        self.ask(do="configure", packages=listed, skip=skip, limits=limits, copied=copied)

    def attempt(self, *packages: Package, skip: Sequence[str] = (), copied: bool = False, **limits: int) -> Result:
        """Configure packages; what came of it."""
        self.begin(*packages, skip=skip, copied=copied, **limits)
        return self.finish()

    def configure(
        self, *packages: Package, skip: Sequence[str] = (), copied: bool = False, **limits: int
    ) -> Configured:
        """Configure packages, which must succeed."""
        result = self.attempt(*packages, skip=skip, copied=copied, **limits)
        entries, extra = meta.read(result.output)
        return Configured(result.output, {entry.path: entry for entry in entries}, extra, result.lines)

    def postinst(self, script: str, **limits: int) -> Configured:
        """Configure a package with one script, which must succeed."""
        return self.configure(Package("it", {"postinst": script}), skip=(), copied=False, **limits)


@contextlib.contextmanager
def configurers(mode: str, count: int = 1, disk: str = "") -> Iterator[list[Configurer]]:
    """Callers that share a store."""
    for tool in ("dpkg", "update-alternatives", "newuidmap"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    with callers(mode, count, disk, Configurer) as made:
        yield made


def _tools(attacker: str) -> bytes:
    """Return a package of this machine's programs."""
    from support.stores.roots import host_programs

    found = host_programs(*(name for name in PROGRAMS if shutil.which(name)))
    found["usr/bin/attacker"] = Path(attacker).read_bytes()
    if os.path.exists(FAKETIME):
        found |= host_programs(FAKETIME)
        found[FAKETIME[1:]] = found.pop("usr/bin/libfaketime.so.1")
    items = [debs.file(f"./{p}", c, 0o755) for p, c in found.items() if isinstance(c, bytes)]
    links = {"usr/bin/sh": "dash", **{name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}}
    items += [debs.symlink(f"./{path}", target) for path, target in links.items()]
    items += [debs.folder(f"./{path}") for path in ("etc", "opt", "srv", "usr/sbin", "var/cache", "var/lib", "var/log")]
    return debs.deb(items, debs.control("tools", Essential="yes", Maintainer="nobody"), codec="")


class _World:
    """A store, and the tools in it."""

    def __init__(self, place: Path, attacker: str, recorder: type) -> None:
        from fpack.builders.sandbox.local_executor import LocalExecutor
        from fpack.store.store import Store

        self.store = Store(place)
        self.executor = LocalExecutor()
        self._recorder = recorder
        self._tools = self._payload("tools", _tools(attacker))
        self._tools_slice = self._slice("tools", self._tools)

    def configure(
        self, packages: Sequence[Mapping[str, Any]], skip: Sequence[str], limits: Mapping[str, int], copied: bool
    ) -> StorePath:
        """Configure packages."""
        payloads = {"tools": self._tools}
        slices = {"tools": self._tools_slice}
        depends: dict[str, list[str]] = {"tools": []}
        for package in packages:
            name = package["name"]
            files = [debs.file(f"./{path}", text) for path, text in package["files"].items()]
            files += [Item(**{**item, "content": item["content"].encode()}) for item in package["items"]]
            scripts = {
                member: text if member in ("triggers", "conffiles", "templates") or text.startswith("#")
                else f"#!/bin/sh\nset -e\n{text}\n"
                for member, text in package["scripts"].items()
            }  # fmt: skip
            stanza = debs.control(name, **{"Maintainer": "nobody", **package["fields"]})
            payloads[name] = self._payload(name, debs.deb(files, stanza, scripts, codec=""))
            slices[name] = self._slice(name, payloads[name])
            depends[name] = list(package["depends"])
        listed = [
            {"package": name, "version": "1.0-1", "depends": depends[name], "seed": True, "slice": str(slices[name])}
            for name in sorted(slices)
        ]
        root = self.build("root", "root", mode="depends", release="trixie", arch="amd64", slices=listed, wants=[],
                          users=[], alternatives={})  # fmt: skip
        more = {"copied": True} if copied else {}  # another key
        items = [
            {"package": name, "payload": str(payloads[name]), "depends": depends[name]} for name in sorted(payloads)
        ]
        return self.build(
            "configure", "it", root=str(root), packages=items, skip=list(skip), limits=dict(limits), **more
        )

    def _payload(self, name: str, content: bytes) -> StorePath:
        from support.stores.roots import add_tree

        file = add_tree(self.store, f"{name}.deb", {"": content})
        return self.build("deb", name, deb=str(file), package=name, version="1.0-1", arch="amd64")

    def _slice(self, name: str, payload: StorePath) -> StorePath:
        return self.build("slice", name, payload=str(payload), keep=None, drop=[], setuid=[])

    def build(self, kind: str, name: str, **args: Any) -> StorePath:
        """Build a derivation."""
        from fpack.builders.kinds.configure import ConfigureBuilder
        from fpack.builders.kinds.deb import DebBuilder
        from fpack.builders.kinds.root import RootBuilder
        from fpack.builders.kinds.slice import SliceBuilder
        from fpack.builders.rootfs.view import assemble
        from fpack.builders.scheduler.scheduler import Scheduler
        from fpack.store.derivation import Derivation, Output, digest

        body = Derivation(kind, name, args).encode()
        kinds: dict[str, Any] = {
            "deb": DebBuilder(), "slice": SliceBuilder(), "root": RootBuilder(), "configure": ConfigureBuilder(),
        }  # fmt: skip
        scheduler = Scheduler(self.store, kinds, self._recorder(), assemble=assemble, bodies={digest(body): body})
        (path,) = scheduler.realise([Output(digest(body))])
        return path


def _serve(place: Path, attacker: str) -> None:
    """In the caller: configure what is asked for."""
    from fpack.builders.configure import runner
    from fpack.builders.kinds import configure
    from fpack.builders.scheduler.reporter import Reporter

    class Told(Reporter):
        def log(self, key: bytes, line: str) -> None:
            tell(line=line)

    run = runner.ScriptRun

    class Copied(run):  # type: ignore[misc, valid-type]
        def _lower(self, view: Path) -> tuple[str, int]:
            return "copy", os.open(view, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    world = _World(place, attacker, Told)

    def act(request: dict[str, Any]) -> Path:
        vars(configure)["ScriptRun"] = Copied if request["copied"] else run
        found = world.configure(request["packages"], request["skip"], request["limits"], request["copied"])
        return world.store.disk(found)

    serve(world.store, act)
    world.store.close()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])
