"""Derivations as data: a derivation is a pure description of one build.

The strings of a derivation may hold placeholders, `/fpack/store/<hash of (derivation, output)>-<name>`, for outputs of
its inputs that are not built yet. Resolving a derivation replaces the placeholders by the store paths of the built
outputs. Candidates are outputs that a builder may request while it runs. Their placeholders are never replaced, so a
key covers the digests of the candidates' derivations.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from blake3 import blake3
from fpack.light_typing import NamedTuple

from . import base32, canonical
from .canonical import Value
from .errors import InvalidName, NotCanonical
from .path import HASH_BYTES, STORE, StorePath, check_name

FORMAT = 1
# Encoded parts, written out so that the import of this module needs no encoder: the first bytes of a map of 7 fields,
# names of fields, the heads of arrays of 0 to 15 items.
_ARGS = b"\x87\xa4args"
_INPUTS, _KIND, _NAME = b"\xa6inputs", b"\xa4kind", b"\xa4name"
_LENGTHS = [bytes((0x90 + n,)) for n in range(16)]
_OUT = ["out"]
_FIELDS = {"args", "candidates", "format", "inputs", "kind", "name", "outputs"}


class Output(NamedTuple):
    """One output of a derivation: the derivation's digest (20 bytes) and the output's name."""

    derivation: bytes
    name: str = "out"


class Derivation(NamedTuple):
    """A description of one build.

    kind: the builder. name: a store name. args: the builder's arguments, canonical values. inputs: the outputs whose
    placeholders occur in args. candidates: outputs that the builder may request.
    """

    kind: str
    name: str
    args: Mapping[str, Value]
    inputs: tuple[Output, ...] = ()
    candidates: tuple[Output, ...] = ()
    outputs: tuple[str, ...] = ("out",)

    def encode(self) -> bytes:
        """Return the canonical encoding, of which the digest is computed. Raise InvalidName or NotCanonical."""
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


def pack_output(digest: bytes, name: str) -> bytes:
    """Encode an input, for `encode_packed`."""
    return _PAIR + digest + _packed(name)


def encode_packed(
    kind: str, name: str, args: bytes, inputs: list[bytes], candidates: list[Output], outputs: list[str]
) -> bytes:
    """Return the encoding of a derivation whose arguments are encoded and whose name is checked.

    inputs: packed by `pack_output`, sorted by output. The result equals `Derivation(...).encode()`, in a fraction of
    the time.
    """
    count = len(inputs)
    length = _LENGTHS[count] if count < 16 else canonical.encode([0] * count)[:-count]
    before, after = _around_inputs(candidates, outputs) if candidates or outputs != _OUT else _PLAIN
    between = _KIND + _packed(kind) + _NAME
    return b"".join((_ARGS, args, before, length, *inputs, between, canonical.encode_ordered(name), after))


@lru_cache(1024)
def _packed(text: str) -> bytes:
    """Encode the name of an output or a kind. A process encodes few distinct names, and each name often."""
    return canonical.encode(text)


def _around_inputs(candidates: list[Output], outputs: list[str]) -> tuple[bytes, bytes]:
    """Return the encoded fields before a derivation's inputs, and those after its kind and name."""
    chosen = canonical.encode([list(c) for c in sorted(set(candidates))])
    before = b"".join(
        (canonical.encode("candidates"), chosen, canonical.encode("format"), canonical.encode(FORMAT), _INPUTS)
    )
    return before, canonical.encode("outputs") + canonical.encode(list(outputs))


def digest(body: bytes) -> bytes:
    """Return the 20-byte digest that names an encoded derivation."""
    return blake3(body).digest(HASH_BYTES)


@lru_cache(1024)
def decode(body: bytes) -> Derivation:
    """Return the derivation that `body` encodes. Raise NotCanonical for any other bytes.

    The planner, the scheduler and the manifest decode the same bodies, so recent results are kept. Do not modify them.
    """
    value = canonical.decode(body)
    if not isinstance(value, dict) or value.get("format") != FORMAT or value["format"] is True:
        raise NotCanonical("Bytes are not a derivation, or have a format that this fpack does not support")
    try:
        name, outputs = check_name(value["name"]), tuple(value["outputs"])
        if not outputs or len(set(outputs)) < len(outputs) or any(output.__class__ is not str for output in outputs):
            raise ValueError("the outputs are not distinct strings")
        for output in outputs:
            check_name(output_name(name, output))
        if value.keys() != _FIELDS or value["kind"].__class__ is not str or value["args"].__class__ is not dict:
            raise ValueError("its fields are not those of a derivation")
        inputs, candidates = _sorted(value["inputs"]), _sorted(value["candidates"])
        return Derivation(value["kind"], name, value["args"], inputs, candidates, outputs)
    except (KeyError, TypeError, ValueError, InvalidName) as error:
        raise NotCanonical("Bytes are not a derivation", why=f"{error}") from None


def _sorted(values: list[Value]) -> tuple[Output, ...]:
    """Decode outputs. Raise ValueError unless they are sorted and distinct, as in the canonical encoding."""
    outputs = tuple(Output(*value) for value in values)
    for output in outputs:
        if output.derivation.__class__ is not bytes or output.name.__class__ is not str:
            raise ValueError("an input is not a digest and a name")
    if any(one >= other for one, other in zip(outputs, outputs[1:], strict=False)):
        raise ValueError("its inputs are not sorted")
    return outputs


def kind_of(body: bytes) -> str:
    """Return the kind of an encoded derivation, or an empty string for other bytes. The rest is not checked."""
    value = canonical.peek(body)
    kind = value.get("kind") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def output_name(name: str, output: str) -> str:
    """Return the store name of an output: the derivation's name for `out`, else the name with `-<output>` appended."""
    return name if output == "out" else f"{name}-{output}"


def build_path(name: str, output: str) -> StorePath:
    """Return the path at which a build sees its output. It depends only on the names: builds are reproducible.

    name: the derivation's name. An output that mentions its own path is hashed with this path in place of its own.
    """
    body = canonical.encode(["fpack build 1", name, output])
    return StorePath(base32.encode(blake3(body).digest(HASH_BYTES)), output_name(name, output))


_PLAIN = b"\xaacandidates\x90\xa6format\x01\xa6inputs", b"\xa7outputs\x91\xa3out"  # `_around_inputs([], _OUT)`
_PAIR = b"\x92\xc4" + bytes((HASH_BYTES,))  # the bytes before an input's digest


def placeholder(drv: bytes, name: str, output: str = "out") -> StorePath:
    """Return the placeholder of an output that is not built yet. drv: digest of the derivation. name: its name."""
    return StorePath(placeholder_hash(drv, output), output_name(name, output))


def placeholder_hash(drv: bytes, output: str = "out") -> str:
    """Return the hash of a placeholder. drv: digest of the derivation."""
    before, after = _around_digest(output)
    return base32.encode(blake3(before + drv + after).digest(HASH_BYTES))


@lru_cache(1024)
def _around_digest(output: str) -> tuple[bytes, bytes]:
    """Return the encoded bytes before and after the digest in the data that a placeholder is the hash of."""
    sample = bytes(HASH_BYTES)
    before, _, after = canonical.encode(["fpack placeholder 1", sample, output]).partition(sample)
    return before, after


def replace(value: Value, paths: Mapping[str, str]) -> Value:
    """Replace, in every string of `value`, each 32-character hash that is a key of `paths`."""
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
    """Return the derivation with the inputs' placeholders replaced by store paths.

    built: (placeholder, store path) for each input.
    """
    if not drv.inputs:
        return drv
    paths = {old.hash: new.hash for old, new in (built[i] for i in drv.inputs)}
    return drv._replace(args=replace(dict(drv.args), paths), inputs=())
