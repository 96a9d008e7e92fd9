"""Rewrite the derivations of an image for newer packages: what is built of the new files, and nothing else, changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fpack.builders.debian.lock.records import PackagePin
from fpack.store import derivation
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import clean_name

Pins = Mapping[str, PackagePin]  # by the package's name


class RewriteResult(NamedTuple):
    """The new derivations. renamed: the new digest of each old one that changed. bodies: by digest."""

    renamed: Mapping[bytes, bytes]
    bodies: Mapping[bytes, bytes]


def rewrite(found: Mapping[str, Derivation], pins: Pins, depends: Mapping[str, tuple[str, ...]]) -> RewriteResult:
    """Return the derivations with other versions of some packages.

    found: those of a manifest, by their digests in hexadecimal. pins: the packages that move. depends: what each
    package of the image depends on then.
    """
    return _Rewriter(found, pins, depends).run()


class _Rewriter:
    def __init__(self, found: Mapping[str, Derivation], pins: Pins, depends: Mapping[str, tuple[str, ...]]) -> None:
        self._found = {bytes.fromhex(digest): made for digest, made in found.items()}
        self._pins = pins
        self._depends = depends
        self._renamed: dict[bytes, bytes] = {}
        self._names: dict[bytes, str] = {}
        self._bodies: dict[bytes, bytes] = {}
        self._debs: dict[bytes, PackagePin] = {}  # the .debs of packages that move

    def run(self) -> RewriteResult:
        for made in self._found.values():
            pin = self._pins.get(str(made.args.get("package"))) if made.kind == "deb" else None
            if pin is not None:
                self._debs |= {item.derivation: pin for item in made.inputs}
        done: set[bytes] = set()
        for top in sorted(self._found):
            waiting = [top]
            while waiting:
                digest = waiting[-1]
                below = self._below(digest)
                left = [item for item in below if item not in done]
                if digest in done or not left:
                    waiting.pop()
                    if digest not in done:
                        done.add(digest)
                        self._one(digest)
                else:
                    waiting += left
        return RewriteResult({old: new for old, new in self._renamed.items() if old != new}, self._bodies)

    def _below(self, digest: bytes) -> list[bytes]:
        made = self._found[digest]
        return [item.derivation for item in (*made.inputs, *made.candidates) if item.derivation in self._found]

    def _one(self, digest: bytes) -> None:
        made = self._found[digest]
        name, args = made.name, made.args
        if pin := self._debs.get(digest):
            name, args = _store_name(pin.file.rpartition("/")[2]), _fetch(args, pin)
        elif made.kind == "deb" and (pin := self._pins.get(str(args["package"]))):
            name, args = _store_name(f"{pin.name}-{pin.version}"), {**args, "version": pin.version}
        elif made.kind == "slice" and (pin := self._pin_of_slice(made)):
            name = _store_name(f"{pin.name}-{pin.version}-slice")
        elif made.kind == "root":
            args = {**args, "slices": [self._slice(item) for item in args["slices"]]}
        elif made.kind == "configure":
            args = {**args, "packages": [self._version(item) for item in args["packages"]]}
        changed = {item.derivation for item in (*made.inputs, *made.candidates)} & self._changed()
        if changed:
            texts = {
                str(placeholder(item.derivation, self._found[item.derivation].name, item.name)): str(
                    placeholder(self._renamed[item.derivation], self._names[item.derivation], item.name)
                )
                for item in (*made.inputs, *made.candidates)
                if item.derivation in changed
            }
            args = _replaced(args, texts)
        new = made._replace(
            name=name,
            args=args,
            inputs=tuple(Output(self._renamed.get(i.derivation, i.derivation), i.name) for i in made.inputs),
            candidates=tuple(Output(self._renamed.get(i.derivation, i.derivation), i.name) for i in made.candidates),
        )
        body = new.encode()
        self._renamed[digest] = derivation.digest(body)
        self._names[digest] = name
        self._bodies[self._renamed[digest]] = body

    def _changed(self) -> set[bytes]:
        return {old for old, new in self._renamed.items() if old != new}

    def _pin_of_slice(self, made: Derivation) -> PackagePin | None:
        for item in made.inputs:
            payload = self._found.get(item.derivation)
            if payload is not None and payload.kind == "deb":
                return self._pins.get(str(payload.args["package"]))
        return None

    def _slice(self, item: Mapping[str, Value]) -> dict[str, Value]:
        found = self._version(item)
        if item["package"] in self._depends:
            found["depends"] = list(self._depends[str(item["package"])])
        return found

    def _version(self, item: Mapping[str, Value]) -> dict[str, Value]:
        pin = self._pins.get(str(item["package"]))
        return {**item, "version": pin.version} if pin is not None and "version" in item else dict(item)


def _fetch(args: Mapping[str, Any], pin: PackagePin) -> dict[str, Value]:
    """Return the arguments of the download of a package, in the form of `fpack/debian-package`."""
    found = {**args, "urls": [f"mirror://{pin.archive}/{pin.file}"], "sha256": pin.sha256, "size": pin.size}
    found.pop("sha512", None)
    return {**found, "sha512": pin.sha512} if pin.sha512 else found


def _store_name(text: str) -> str:
    return clean_name(text)


def _replaced(value: Value, texts: Mapping[str, str]) -> Any:
    """Replace placeholders in all strings of a value."""
    if isinstance(value, str):
        for old, new in texts.items():
            if old in value:
                value = value.replace(old, new)
        return value
    if isinstance(value, (list, tuple)):
        return [_replaced(item, texts) for item in value]
    if isinstance(value, Mapping):
        return {_replaced(key, texts): _replaced(item, texts) for key, item in value.items()}
    return value
