"""From values to derivations: forces arguments, finds what their strings mention, keeps what was made."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path as HostPath
from types import FunctionType
from typing import Any, Protocol

from fpack.store import canonical
from fpack.store import derivation as drv
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError
from fpack.store.path import PACKED_REFERENCE, STORE, check_name, clean_name, find_references

from .arguments import bounded
from .errors import Fault, quote
from .values import (
    OnDemand,
    Path,
    Record,
    Thunk,
    Value,
    describe,
    evaluated,
    force,
)

MAX_DEPTH = 100
RESERVED = ("candidates", "outputs", "args")  # and kind and name
_BEFORE = f"{STORE}/"
_PACKED = PACKED_REFERENCE.findall
_OUT = ["out"]
_NONE: list[Output] = []
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1


class Sources(Protocol):
    """What hashes files and directories of the user's project."""

    def hash(self, path: HostPath) -> bytes:
        """The 32-byte digest of the tree at `path`, less what its .gitignore files leave out."""
        ...


class Known:
    """An output that exists in this evaluation. text: its placeholder as strings hold it."""

    __slots__ = ("output", "text")

    def __init__(self, output: Output, text: str) -> None:
        self.output = output
        self.text = text


class Deriver:
    """Makes derivations and remembers them.

    derivations: the encoding of each, by digest. source_paths: where each source lies, by its tree's digest in
    hexadecimal. known: each output, by its placeholder's hash.
    """

    def __init__(self, sources: Sources | None) -> None:
        self.sources = sources
        self.derivations: dict[bytes, bytes] = {}
        self.source_paths: dict[str, HostPath] = {}
        self.known: dict[str, Known] = {}
        self._paths: dict[str, str] = {}

    # ---- strings

    def text(self, value: Value) -> str:
        """What an evaluated value is within a string."""
        kind = value.__class__
        if kind is int and _LEAST <= value <= _MOST:
            return repr(value)
        if kind is Record:
            out = value.get("out")
            if out.__class__ is str:
                return out
        if isinstance(value, str):
            return value
        if kind is bool:
            return "true" if value else "false"
        if kind is int or kind is float:
            return repr(value if kind is float else bounded(value))
        if kind is Path:
            return self.source(value)
        if isinstance(value, dict):
            out = evaluated(value.get("out"))
            if isinstance(out, str):
                return out
            if value.get("type") == "package":
                hint = "its files are found in a container or a build that lists it in `packages`"
                raise Fault("A Debian package has no path in the store", hint=hint)
            raise Fault("A record has no text", hint="name the field that is meant, or use to-json")
        hint = {list: 'use join(LIST, " ")', type(None): "use `if VALUE == null then ... else ...`"}.get(kind, "")
        if kind is FunctionType:
            hint = "call it"
        raise Fault(f"{describe(value).capitalize()} has no text", hint=hint)

    def source(self, path: Path) -> str:
        """The placeholder of a file or directory of the project."""
        found = self._paths.get(path.place)
        if found is not None:
            return found
        if self.sources is None:
            raise Fault("Files cannot be taken into the store here")
        place = HostPath(path.place)
        if not place.exists():
            raise Fault(f"There is no file {quote(place.name)}", why=str(place), file=path.place)
        try:
            digest = self.sources.hash(place).hex()
        except OSError as error:
            raise Fault(f"{quote(place.name)} cannot be read", why=f"{error.filename}: {error.strerror}") from None
        self.source_paths[digest] = place
        name = clean_name(place.name)
        _, texts = self.add(Derivation("source", name, {"tree": digest}))
        self._paths[path.place] = texts[0]
        return texts[0]

    def check_cut(self, text: str, cuts: list[int]) -> None:
        """Refuse to cut `text` inside a placeholder: the pieces would not say what they depend on."""
        if STORE not in text:
            return
        for hash_, _ in find_references(text):
            known = self.known.get(hash_)
            if known is None:
                continue
            start = text.find(known.text)
            while start >= 0:
                if any(start < cut < start + len(known.text) for cut in cuts):
                    name = known.text[len(STORE) + 34 :]
                    why = f"the string holds the path of {quote(name)}, which is not built yet"
                    raise Fault("A path in the store cannot be cut or changed", why=why)
                start = text.find(known.text, start + 1)

    def mentioned(self, value: Value) -> list[str]:
        """The placeholders that stand in the strings of a value, sorted."""
        found: dict[str, Known] = {}
        self._search(self._argument(value, "", 0), "", found)
        return sorted(known.text for known in found.values())

    def _mentioned(self, args: dict[str, Any], packed: bytes) -> set[Output]:
        """The outputs that stand in the strings of a derivation's arguments. packed: their encoding.

        A path cannot begin in one string and end in another: no byte between them is one of a path.
        """
        inputs: set[Output] = set()
        hashes = set(_PACKED(packed))
        if hashes:
            known = self.known
            for hash_ in hashes:
                output = known.get(hash_.decode())
                if output is None:
                    break
                inputs.add(output.output)
            else:
                if STORE not in "\0".join(args):
                    return inputs
            found: dict[str, Known] = {}
            for name, value in args.items():
                self._search(value, name, found)
            return {each.output for each in found.values()}
        return inputs

    # ---- derivations

    def add(self, made: Derivation) -> tuple[bytes, list[str]]:
        """Keep a derivation; its digest, and its outputs' placeholders."""
        body = made.encode()
        return drv.digest(body), self._keep(body, made.name, made.outputs)

    def _keep(self, body: bytes, name: str, outputs: Iterable[str]) -> list[str]:
        """Keep an encoded derivation; its outputs' placeholders."""
        digest = drv.digest(body)
        self.derivations[digest] = body
        texts = []
        for output in outputs:
            hash_ = drv.placeholder_hash(digest, output)
            text = f"{_BEFORE}{hash_}-{drv.output_name(name, output)}"
            texts.append(text)
            if hash_ not in self.known:
                self.known[hash_] = Known(Output(digest, output), text)
        return texts

    def derive(self, record: Value) -> Record:
        """The builtin `derivation`: a record of kind, name, candidates and arguments to a derivation's record.

        Its other fields are the arguments; those of `args` are too, whatever their names.
        """
        if not isinstance(record, dict):
            raise Fault(f"`derivation` takes a record, and this is {describe(record)}")
        fields = {name: force(value) if value.__class__ is Thunk else value for name, value in record.items()}
        kind, name = self._string(fields, "kind"), self._string(fields, "name")
        more = fields.get("args")
        candidates, outputs = _NONE, _OUT
        if "candidates" in fields:
            candidates = [self.output(c).output for c in self._list(fields, "candidates")]
        if "outputs" in fields:
            outputs = self._list(fields, "outputs") or _OUT
            if any(o.__class__ is not str for o in outputs) or len(set(outputs)) < len(outputs):
                raise Fault("`outputs` is a list of different strings", field="outputs")
        del fields["kind"], fields["name"]
        for reserved in RESERVED:
            if reserved in fields:
                del fields[reserved]
        if more is not None:
            if not isinstance(more, dict):
                raise Fault(f"`args` is a record, and this is {describe(more)}", field="args")
            fields = {**fields, **more}
        args = self._arguments(fields, "", 0)
        try:
            for output in outputs:
                check_name(drv.output_name(name, output))
        except FpackError as error:
            raise Fault(error.what, why=error.why, hint="use store-name(TEXT)", field="name") from None
        packed = canonical.encode_ordered(args)
        inputs = self._mentioned(args, packed)
        if candidates:
            inputs.difference_update(candidates)
        texts = self._keep(drv.encode_packed(kind, name, packed, inputs, candidates, outputs), name, outputs)
        made = {"type": "derivation", "name": name, "kind": kind, "out": texts[0]}
        if outputs is not _OUT:
            made.update(zip(outputs, texts, strict=True))
        return Record(made)

    def is_executable(self, value: Value) -> bool:
        """Whether a file of the project, or a file that a derivation makes, is declared to be a program."""
        if isinstance(value, Path):
            # By the bit that goes to the store, not by who asks.
            try:
                mode = os.stat(value.place).st_mode
            except OSError:
                return False
            return stat.S_ISREG(mode) and bool(mode & 0o100)
        made = drv.decode(self.derivations[self.output(value).output.derivation])
        return made.args.get("executable") is True

    def inputs(self, value: Value) -> list[str]:
        """The placeholders of the outputs that a derivation is made from, sorted."""
        made = drv.decode(self.derivations[self.output(value).output.derivation])
        wanted = set(made.inputs)
        return sorted(known.text for known in self.known.values() if known.output in wanted)

    def output(self, value: Value) -> Known:
        """The output that a derivation's record, or a string that is a placeholder, stands for."""
        value = evaluated(value)
        text = evaluated(value.get("out")) if isinstance(value, dict) else value
        if text.__class__ is str:
            for hash_, _ in find_references(text):
                known = self.known.get(hash_)
                if known is not None and known.text == text:
                    return known
        raise Fault(f"This is {describe(value)}, not a derivation")

    def _string(self, fields: dict[str, Value], name: str) -> str:
        value = fields.get(name)
        if value.__class__ is not str:
            what = (
                f"A derivation needs the string {quote(name)}" if name not in fields else f"{quote(name)} is a string"
            )
            raise Fault(what, why=f"this is {describe(value)}" if name in fields else "", field=name)
        return value

    def _list(self, fields: dict[str, Value], name: str) -> list[Value]:
        value = fields.get(name, [])
        if value.__class__ is not list:
            raise Fault(f"{quote(name)} is a list, and this is {describe(value)}", field=name)
        return [evaluated(item) for item in value]

    def _argument(self, value: Value, where: str, depth: int) -> Any:
        """The canonical form of an argument, its dicts in order."""
        if value.__class__ is Thunk:
            value = force(value)
        kind = value.__class__
        if kind is str or value is None or kind is bool:
            return value
        if kind is Record and value.get("type") == "derivation":
            out = value.get("out")
            if out.__class__ is str:
                return out
        if kind is int:
            if not _LEAST <= value <= _MOST:
                raise Fault(f"The number in {quote(where)} is too large", field=where)
            return value
        if depth > MAX_DEPTH:
            raise Fault(
                f"{quote(where.split('.')[0])} is nested too deeply, or contains itself", field=where.split(".")[0]
            )
        if kind is list:
            depth += 1
            return [item if item.__class__ is str else self._argument(item, where, depth) for item in value]
        if kind is Path:
            return self.source(value)
        if isinstance(value, dict) and kind is not OnDemand:
            out = value.get("out")
            if out is not None and value.get("type") == "derivation":
                return out if out.__class__ is str else self._argument(out, where, depth)
            return self._arguments(value, f"{where}.", depth)
        top = where.split(".")[0]
        hint = "write it as a string" if kind is float else ""
        raise Fault(
            f"A derivation cannot hold {describe(value)}",
            why=f"it is in {quote(where)}" if where else "",
            hint=hint,
            field=top,
        )

    def _arguments(self, record: dict[str, Value], before: str, depth: int) -> dict[str, Any]:
        """The canonical form of a record's fields, in order. before: the field's name that it is in, and a dot."""
        # As they were written, for what is wrong first is told.
        depth += 1
        result = {
            name: value if value.__class__ is str else self._argument(value, before + name, depth)
            for name, value in record.items()
        }
        return {name: result[name] for name in sorted(result)}

    def _search(self, value: Any, where: str, found: dict[str, Known]) -> None:
        """Put the outputs in `found` that the strings of a canonical value mention."""
        if value.__class__ is str:
            for hash_, name in find_references(value):
                known = self.known.get(hash_)
                if known is None:
                    why = f"it stands in {quote(where)}"
                    hint = "use a derivation's value in place of its path"
                    raise Fault(f"Nothing here makes the path {quote(f'{STORE}/{hash_}-{name}')}", why=why, hint=hint)
                found[hash_] = known
        elif value.__class__ is list:
            for item in value:
                self._search(item, where, found)
        elif value.__class__ is dict:
            for name, item in value.items():
                self._search(name, where, found)
                self._search(item, f"{where}.{name}", found)
