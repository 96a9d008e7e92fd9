"""Convert a manifest between its canonical form and JSON, which has the same information for people and programs.

`parse` converts the output of `render` back to the same canonical bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from fpack.light_typing import Any
from fpack.store import derivation
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError, malformation

from .encoding import encode_entry, encode_head, entry_row, head_value, name_value
from .format import (
    BYTES,
    CONFIGURED,
    DIRECTORY,
    FILE,
    GENERATED,
    SYMLINK,
    Head,
    ManifestEntry,
    ManifestError,
    ManifestLayer,
    Origin,
)
from .head import parse_head
from .reader import ManifestReader, parse_entry

_KINDS = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink"}
_LETTERS = {word: letter for letter, word in _KINDS.items()}
SEPARATOR = b",\n"  # between the lines of entries


# ---- canonical form to JSON


def render(reader: ManifestReader) -> Iterator[bytes]:
    """Yield the JSON of a manifest in pieces, with one line for each entry, derivation, source and store path."""
    layers = (_lines(layer, entries) for layer, entries in reader.entries())
    bodies = ((digest, reader.derivations[digest]) for digest in sorted(reader.derivations))
    return document(reader.head, layers, bodies)


def document(
    head: Head, layers: Iterable[Iterable[bytes]], derivations: Iterable[tuple[str, Derivation]]
) -> Iterator[bytes]:
    """Yield the JSON of a manifest from its parts.

    layers: for each layer, the lines of its entries with separators. derivations: with their digests, sorted by digest.
    """
    value = head_value(head)
    yield b"{\n"
    for key in ("format", "fpack", "mtime", "executor", "claims", "annotations", "base", "image", "lock"):
        if key in value:
            yield _dump(key) + b":" + _dump(value[key]) + b",\n"
    for key in ("sources", "paths", "meta"):
        if key in value:
            yield _rows(key, value[key]) + b",\n"
    yield b'"layers":['
    for number, lines in enumerate(layers):
        about = {key: item for key, item in value["layers"][number].items() if key != "entries"}
        # The entries come last, so that a streaming reader knows the layer when it reads them.
        yield (b",\n" if number else b"\n") + _dump(about)[:-1] + b',"entries":['
        if head.layers[number].entries:
            yield b"\n"
        yield from lines
        yield b"]}"
    yield b"],\n"
    yield _rows("derivations", [derivation_value(drv, digest) for digest, drv in derivations])
    yield b"\n}\n"


def _lines(layer: ManifestLayer, entries: Iterator[ManifestEntry]) -> Iterator[bytes]:
    parts = [path for path, _ in layer.parts]
    separator = b""
    for entry in entries:
        yield separator + entry_line(entry, parts)
        separator = SEPARATOR


def entry_line(entry: ManifestEntry, parts: Sequence[str]) -> bytes:
    """Encode an entry as JSON. parts: the store paths of the layer."""
    return _dump(entry_value(entry, parts))


def _rows(key: str, values: list[Value]) -> bytes:
    lines = b",\n".join(_dump(value) for value in values)
    return _dump(key) + (b":[\n" + lines + b"]" if values else b":[]")


def _dump(value: Value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def entry_value(entry: ManifestEntry, parts: Sequence[str]) -> dict[str, Value]:
    """Return an entry as plain data for JSON: an absolute path, the mode in octal, and its part as a store path."""
    value: dict[str, Value] = {
        "path": name_value(b"/" + entry.path),
        "kind": _KINDS[entry.kind],
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "from": None if entry.part is None else parts[entry.part],
    }
    if entry.kind == FILE:
        value |= {"size": entry.size, "blake3": entry.blake3.hex(), "sha256": entry.sha256.hex()}
    elif entry.kind == SYMLINK:
        value["target"] = name_value(entry.target)
    if entry.origin is not None:
        value["origin"] = _origin_value(entry.origin)
    return value


def _origin_value(origin: Origin) -> dict[str, Value]:
    if origin.kind == GENERATED:
        return {GENERATED: origin.rule}
    about = {"package": origin.package, "script": origin.script, "sha256": origin.sha256.hex()}
    return {CONFIGURED: about}


def derivation_value(drv: Derivation, digest: str) -> dict[str, Value]:
    """Return a derivation and its digest as plain data for JSON."""
    return {
        "format": derivation.FORMAT,
        "kind": drv.kind,
        "name": drv.name,
        "args": _plain(drv.args),
        "inputs": [[output.derivation.hex(), output.name] for output in drv.inputs],
        "candidates": [[output.derivation.hex(), output.name] for output in drv.candidates],
        "outputs": list(drv.outputs),
        "digest": digest,
    }


def _plain(value: Value) -> Value:
    """Convert a canonical value for JSON. A key that begins with $ gets a second $, unlike the mark of bytes."""
    if isinstance(value, bytes):
        return {BYTES: value.hex()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {("$" + key if key.startswith("$") else key): _plain(item) for key, item in value.items()}
    return value


# ---- JSON to canonical form


def parse(data: bytes, where: str = "") -> Iterator[bytes]:
    """Yield the canonical form of a manifest in JSON, in pieces. Raise ManifestError for any other JSON."""
    try:
        value = json.loads(data, object_pairs_hook=_no_duplicates, parse_float=_no_float, parse_constant=_no_float)
        del data
        if not isinstance(value, dict):
            raise ManifestError("", why="it is not a record")
        yield from _parse(value)
    except json.JSONDecodeError as error:
        raise _error(where, f"it is not JSON: {error}") from None
    except (FpackError, RecursionError, KeyError, TypeError, AttributeError, IndexError, UnicodeError) as error:
        raise _error(where, malformation(error)) from None
    except ValueError:  # of a digest or a mode
        raise _error(where, "a value in it is not in the form that fpack writes") from None


def _parse(value: dict[str, Any]) -> Iterator[bytes]:
    layers, bodies = value["layers"], value["derivations"]
    plain = {
        **value,
        "layers": [{**layer, "entries": len(layer["entries"])} for layer in layers],
        "derivations": len(bodies),
    }
    head: Head = parse_head(plain)
    yield encode_head(head)
    for body in bodies:
        yield _derivation(body)
    for layer, raw in zip(head.layers, layers, strict=True):
        numbers = {path: number for number, (path, _) in enumerate(layer.parts)}
        for entry in raw["entries"]:
            yield _entry(entry, numbers, layer, head.format)


def _entry(value: dict[str, Any], numbers: dict[str, int], layer: ManifestLayer, number: int) -> bytes:
    path = _bytes(value["path"])
    if not path.startswith(b"/"):
        raise ManifestError("", why=f"{value['path']!r:.80} is not an absolute path")
    entry = ManifestEntry(
        path=path[1:],
        kind=_LETTERS[value["kind"]],
        mode=int(value["mode"], 8),
        uid=value["uid"],
        gid=value["gid"],
        size=value.get("size", 0),
        blake3=bytes.fromhex(value.get("blake3", "")),
        sha256=bytes.fromhex(value.get("sha256", "")),
        target=_bytes(value.get("target", "")),
        part=None if value["from"] is None else numbers[value["from"]],
        origin=_origin(value["origin"]) if number > 1 and "origin" in value else None,
    )
    parse_entry(entry_row(entry, number), len(layer.parts), number)
    if entry_value(entry, [part for part, _ in layer.parts]) != value:
        raise ManifestError("", why=f"the entry of {value['path']!r:.80} is not in the form that fpack writes")
    return encode_entry(entry, number)


def _origin(value: dict[str, Any]) -> Origin:
    if GENERATED in value:
        return Origin(GENERATED, rule=value[GENERATED])
    about = value[CONFIGURED]
    return Origin(CONFIGURED, "", about["package"], about["script"], bytes.fromhex(about["sha256"]))


def _derivation(value: dict[str, Any]) -> bytes:
    drv = Derivation(
        value["kind"],
        value["name"],
        _unplain(value["args"]),
        tuple(Output(bytes.fromhex(digest), output) for digest, output in value["inputs"]),
        tuple(Output(bytes.fromhex(digest), output) for digest, output in value["candidates"]),
        tuple(value["outputs"]),
    )
    body = drv.encode()
    if derivation_value(derivation.decode(body), derivation.digest(body).hex()) != value:
        raise ManifestError("", why=f"the derivation of {value['name']!r:.80} does not match its digest")
    return body


def _bytes(value: Value) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return bytes.fromhex(value[BYTES])


def _unplain(value: Value) -> Value:
    if isinstance(value, list):
        return [_unplain(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {BYTES}:
            return bytes.fromhex(value[BYTES])
        return {key.removeprefix("$"): _unplain(item) for key, item in value.items()}
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ManifestError("", why="a record has a field twice")
    return value


def _no_float(text: str) -> None:
    raise ManifestError("", why=f"it has the number {text[:40]}, which is not an integer")


def _error(where: str, why: str) -> ManifestError:
    return ManifestError("This is not a manifest that fpack can read", where=where, why=why)
