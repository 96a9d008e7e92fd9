"""Derivations as data: pure descriptions of one build.

A derivation's strings may hold placeholders, `/fpack/store/<hash of (derivation, output)>-<name>`, for outputs of its
inputs that are not built yet. Resolving replaces them by the store paths that were built. Candidates are inputs that
a builder may ask for while it runs; they are never replaced, and count in the key by their derivation's digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from blake3 import blake3

from . import base32, canonical
from .canonical import Value
from .errors import InvalidName, NotCanonical
from .path import HASH_BYTES, STORE, StorePath, check_name

FORMAT = 1
_ARGS = canonical.encode({"args": 0, **dict.fromkeys("bcdefg", 0)})[:6]  # the begin of a map of seven fields


class Output(NamedTuple):
    """One output of a derivation: the derivation's digest (20 bytes) and the output's name."""

    derivation: bytes
    name: str = "out"


class Derivation(NamedTuple):
    """kind: the builder's. name: a store name. args: what the builder takes, canonical values.

    inputs: the outputs whose placeholders stand in args. candidates: outputs that the builder may ask for.
    """

    kind: str
    name: str
    args: Mapping[str, Value]
    inputs: tuple[Output, ...] = ()
    candidates: tuple[Output, ...] = ()
    outputs: tuple[str, ...] = ("out",)

    def encode(self) -> bytes:
        """The canonical encoding."""
        return canonical.encode(
            {
                "format": FORMAT,
                "kind": self.kind,
                "name": check_name(self.name),
                "args": dict(self.args),
                "inputs": [list(i) for i in sorted(set(self.inputs))],
                "candidates": [list(c) for c in sorted(set(self.candidates))],
                "outputs": list(self.outputs),
            }
        )


def encode_packed(
    kind: str, name: str, args: bytes, inputs: Iterable[Output], candidates: list[Output], outputs: list[str]
) -> bytes:
    """The encoding of a derivation whose arguments are encoded already, and whose name was checked.

    It is the one of `Derivation(...).encode()`, found in a fraction of the time.
    """
    rest = canonical.encode_ordered(
        {
            "candidates": sorted(set(candidates)),
            "format": FORMAT,
            "inputs": sorted(inputs),
            "kind": kind,
            "name": name,
            "outputs": outputs,
        }
    )
    return b"".join((_ARGS, args, rest[1:]))


def digest(body: bytes) -> bytes:
    """The 20-byte digest that names an encoded derivation."""
    return blake3(body).digest(HASH_BYTES)


def decode(body: bytes) -> Derivation:
    """The derivation that `body` encodes; NotCanonical for anything else."""
    value = canonical.decode(body)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise NotCanonical("Bytes are not a derivation of a format that this fpack knows")
    try:
        return Derivation(
            value["kind"],
            check_name(value["name"]),
            value["args"],
            tuple(Output(d, n) for d, n in value["inputs"]),
            tuple(Output(d, n) for d, n in value["candidates"]),
            tuple(value["outputs"]),
        )
    except (KeyError, TypeError, ValueError, InvalidName) as error:
        raise NotCanonical("Bytes are not a derivation", why=f"{error}") from None


def output_name(name: str, output: str) -> str:
    """The store name of an output: the derivation's for `out`, with `-<output>` after it for the others."""
    return name if output == "out" else f"{name}-{output}"


_around: dict[str, tuple[bytes, bytes]] = {}


def placeholder(drv: bytes, name: str, output: str = "out") -> StorePath:
    """What stands for an output that is not built yet. drv: the derivation's digest, name: its name."""
    return StorePath(placeholder_hash(drv, output), output_name(name, output))


def placeholder_hash(drv: bytes, output: str = "out") -> str:
    """The hash of a placeholder. drv: the derivation's digest."""
    around = _around.get(output)
    if around is None:
        # Around the digest all is the same each time.
        sample = bytes(HASH_BYTES)
        before, _, after = canonical.encode(["fpack placeholder 1", sample, output]).partition(sample)
        around = _around[output] = before, after
    return base32.encode(blake3(around[0] + drv + around[1]).digest(HASH_BYTES))


def replace(value: Value, paths: Mapping[str, str]) -> Value:
    """`value` with each 32-character hash that is a key of `paths` replaced, in every string of it."""
    if value.__class__ is str:
        if STORE in value:
            for old, new in paths.items():
                if old in value:
                    value = value.replace(old, new)
        return value
    if isinstance(value, (list, tuple)):
        return [replace(item, paths) for item in value]
    if isinstance(value, dict):
        return {replace(k, paths): replace(v, paths) for k, v in value.items()}
    return value


def resolve(drv: Derivation, built: Mapping[Output, tuple[StorePath, StorePath]]) -> Derivation:
    """The resolved derivation: inputs become store paths in `args`. built: (placeholder, store path) an input."""
    if not drv.inputs:
        return drv
    paths = {old.hash: new.hash for old, new in (built[i] for i in drv.inputs)}
    return drv._replace(args=replace(dict(drv.args), paths), inputs=())
