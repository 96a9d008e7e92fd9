"""Turn records into derivations: evaluate the arguments, find the outputs that they reference, encode the result."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from operator import itemgetter
from types import FunctionType

from fpack.lang.errors import Fault, quote
from fpack.lang.runtime.placeholders import KnownOutput, Placeholders
from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple
from fpack.store import canonical
from fpack.store import derivation as drv
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError
from fpack.store.path import STORE, check_name, clean_name

from .argument_checks import INT_RANGE, bounded
from .reads import ReadLog
from .records.call_layers import declare_derivation
from .source_trees import Sources, SourceTrees
from .values import (
    INT_MAX,
    INT_MIN,
    OnDemand,
    Path,
    Record,
    Secret,
    Thunk,
    Value,
    describe,
    evaluated,
    force,
    is_derivation,
    record_with_origin,
)

if TYPE_CHECKING:
    pass

MAX_DEPTH = 100
RESERVED = ("candidates", "outputs", "args")  # fields that are not arguments, besides kind and name
_RARE = frozenset(RESERVED)
_NO_ARGUMENTS = frozenset(("kind", "name", *RESERVED))
SECRET = "a secret can only be the `auth` of a fetch"  # the hint for one that is elsewhere
_MAX_SHAPES = 1000  # cached shapes
_NAME = itemgetter(0)
_OUT = ["out"]
_STRINGS = frozenset((str,))
_NONE: list[Output] = []  # never modified


class Shape(NamedTuple):
    """Facts about `derivation` records that have the same fields.

    names: the names of the arguments, sorted. values: gets the arguments in that order. plain: the record has no
    reserved fields except kind and name. mentions: an argument's name holds a store path.
    """

    names: tuple[str, ...]
    values: Callable[[dict[str, Value]], tuple[Value, ...]]
    plain: bool
    mentions: bool


class Derivations(dict[bytes, bytes]):
    """The encoding of each derivation, by digest. Those that another evaluation made are evaluated when they are used.

    further: evaluates a derivation that is not here but known, and returns whether it is here now.
    """

    further: Callable[[bytes], bool] | None = None

    def __missing__(self, digest: bytes) -> bytes:
        if self.further is not None and self.further(digest):
            return dict.__getitem__(self, digest)
        raise KeyError(digest)

    def get(self, digest: bytes, default: Any = None) -> Any:
        try:
            return self[digest]
        except KeyError:
            return default


class Deriver:
    """The derivations that one evaluation has made.

    derivations: the encoding of each derivation, by digest. sources: the trees of its sources. log: gets what of the
    project is read.
    """

    def __init__(self, sources: Sources | None, log: ReadLog | None = None) -> None:
        self.sources = SourceTrees(sources)
        self.log = log or ReadLog()
        self.derivations = Derivations()
        self.placeholders = Placeholders()
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._paths: dict[Path, str] = {}

    # ---- strings

    def text(self, value: Value) -> str:
        """Return the text of an evaluated value inside a string; raise Fault if the value has no text."""
        kind = value.__class__
        if kind is Record:
            out = value.get("out")
            if out.__class__ is str:
                return out
        if kind is int and INT_MIN <= value <= INT_MAX:
            return repr(value)
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
                hint = "list it in the `packages` of a container or a build to use its files"
                raise Fault("A Debian package has no path in the store", hint=hint)
            raise Fault("A record has no text", hint="select a field of it, or use to-json")
        hint = {list: 'use join(LIST, " ")', type(None): "use `if VALUE == null then ... else ...`"}.get(kind, "")
        if kind is FunctionType:
            hint = "call it"
        if kind is Secret:
            hint = SECRET
        raise Fault(f"{describe(value).capitalize()} has no text", hint=hint)

    def source(self, path: Path) -> str:
        """Return the placeholder of a file or directory of the project."""
        found = self._paths.get(path)
        if found is None:
            tree = self.sources.digest(path)
            name = path.name or clean_name(os.path.basename(path.path))
            found = self._paths[path] = self.add(Derivation("source", name, {"tree": tree}))[0]
        if path.reader:
            selection = None if path.selection is None else tuple(path.selection)
            self.log.note(path.reader, ("source", path.path, path.root, selection, path.name, found))
        return found

    def references(self, value: Value) -> list[str]:
        """Return the placeholders in the strings of a value, sorted."""
        return sorted(known.text for known in self.placeholders.in_fields({"": self._argument(value, "", 0)}))

    # ---- derivations

    def add(self, made: Derivation) -> list[str]:
        """Store a derivation and return the placeholders of its outputs."""
        return self._keep(made.encode(), made.name, made.outputs)

    def _keep(self, body: bytes, name: str, outputs: Iterable[str]) -> list[str]:
        digest = drv.digest(body)
        self.derivations[digest] = body
        return self.placeholders.add(digest, name, outputs)

    def derive(self, record: Value) -> Record:
        """Return the value of the builtin `derivation` for a record of kind, name, candidates, outputs and arguments.

        All other fields are arguments, and so are the fields of the record `args`, which may have any names.
        """
        if not isinstance(record, dict):
            raise Fault(f"`derivation` takes a record, and this is {describe(record)}")
        return self.derive_evaluated({n: force(v) if v.__class__ is Thunk else v for n, v in record.items()})

    def derive_evaluated(self, fields: dict[str, Value]) -> Record:
        """Derive from a record that nothing else refers to. Fields may be thunks; evaluated fields are faster."""
        kind, name = fields.get("kind"), fields.get("name")
        if kind.__class__ is not str or name.__class__ is not str:
            kind, name = self._string(fields, "kind"), self._string(fields, "name")
        shape = self._shapes.get(tuple(fields)) or self._shape(fields)
        candidates, outputs, names, values, mentions = _NONE, _OUT, shape.names, shape.values(fields), shape.mentions
        if not shape.plain:
            candidates, outputs = self._candidates(fields), self._outputs(fields)
            arguments = self._with_args(dict(zip(names, values, strict=True)), fields.get("args"))
            names = tuple(sorted(arguments))
            values = tuple(arguments[name] for name in names)
            mentions = STORE in "\0".join(names)
        args: dict[str, Any] = {}
        try:
            for key, value in zip(names, values, strict=True):
                if value.__class__ is str:
                    args[key] = value
                elif value.__class__ is list:
                    args[key] = self._items(value, key, 1)
                else:
                    args[key] = self._argument(value, key, 1)
        except Fault:
            # Report the fault that comes first in the source text, not the first by name.
            self._in_written_order({n: v for n, v in fields.items() if n in shape.names}, "", 0)
            raise
        try:
            check_name(name)
            if outputs is not _OUT:
                for output in outputs:
                    check_name(drv.output_name(name, output))
        except FpackError as error:
            raise Fault(error.what, why=error.why, hint="use store-name(TEXT)", field="name") from None
        packed = canonical.encode_ordered(args)
        inputs = None if mentions or candidates else self.placeholders.packed_in(packed)
        if inputs is None:
            inputs = [k.packed for k in self.placeholders.in_fields(args) if k.output not in candidates]
        texts = self._keep(drv.encode_packed(kind, name, packed, inputs, candidates, outputs), name, outputs)
        made: dict[str, Value] = {"type": "derivation", "name": name, "kind": kind, "out": texts[0]}
        if outputs is not _OUT:
            for output, text in zip(outputs, texts, strict=True):
                if output != "out":
                    made[output] = self._of_output(kind, drv.output_name(name, output), text, output, fields)
        return Record(made)

    def _of_output(self, kind: str, name: str, text: str, output: str, fields: dict[str, Value]) -> Record:
        """Return an output other than `out` as a derivation of its own, which `.with` derives again.

        fields: those of the record that the derivation was made of.
        """
        value = Record({"type": "derivation", "name": name, "kind": kind, "out": text})

        def again(changed: Value) -> Value:
            return evaluated(self.derive(changed)[output])

        declare_derivation(again)  # type: ignore[arg-type]
        value.origin = (again, fields, ())
        return value

    def derivation_of(self, value: Value) -> Value:
        """Return the derivation of an evaluated path, or string that is the path of an output; else raise Fault."""
        found = self.standing_for(value)
        if is_derivation(found):
            return found
        if value.__class__ is not str:
            raise Fault(f"This is {describe(value)}, not a derivation")
        inside = self.references(value)
        hint = f"it mentions {quote(inside[0][len(STORE) + 34 :])}; use that itself" if inside else ""
        raise Fault("This string is not the path of an output", hint=hint or "use text(NAME, TEXT)")

    def standing_for(self, value: Value) -> Value:
        """Return the derivation of an evaluated path, or string that is the path of an output; else the value."""
        text = self.source(value) if value.__class__ is Path else value
        known = self.placeholders.find(text) if text.__class__ is str else None
        if known is None:
            return value
        made = drv.decode(self.derivations[known.derivation])
        name = drv.output_name(made.name, known.name)
        fields: dict[str, Value] = {"type": "derivation", "name": name, "kind": made.kind, "out": known.text}
        root = self._root_of(made)
        if root is not None:
            slices: Any = root.args["slices"]
            fields |= {"release": root.args.get("release"), "built-with": [item["package"] for item in slices]}
        return record_with_origin(fields, None)

    def _root_of(self, made: Derivation) -> Derivation | None:
        """Return the root of Debian packages in which a derivation is built, or None if it has none."""
        known = self.placeholders.find(str(made.args.get("root"))) if made.kind == "exec" else None
        root = drv.decode(self.derivations[known.derivation]) if known is not None else None
        return root if root is not None and root.kind == "root" else None

    def adopt(self, body: bytes) -> None:
        """Make a derivation of another evaluation known to this one."""
        made = drv.decode(body)
        self._keep(body, made.name, made.outputs)

    def _shape(self, fields: dict[str, Value]) -> Shape:
        names = tuple(sorted(name for name in fields if name not in _NO_ARGUMENTS))
        if len(names) > 1:
            values: Callable[[dict[str, Value]], tuple[Value, ...]] = itemgetter(*names)
        else:
            values = lambda fields: tuple(fields[name] for name in names)  # noqa: E731
        if len(self._shapes) == _MAX_SHAPES:
            self._shapes.clear()
        found = Shape(names, values, _RARE.isdisjoint(fields), STORE in "\0".join(names))
        self._shapes[tuple(fields)] = found
        return found

    def _candidates(self, fields: dict[str, Value]) -> list[Output]:
        return [self.output(c).output for c in self._list(fields, "candidates")] if "candidates" in fields else _NONE

    def _outputs(self, fields: dict[str, Value]) -> list[str]:
        outputs = self._list(fields, "outputs") if "outputs" in fields else _OUT
        if any(o.__class__ is not str for o in outputs) or len(set(outputs)) < len(outputs):
            raise Fault("`outputs` is a list of different strings", field="outputs")
        return outputs or _OUT

    def _with_args(self, arguments: dict[str, Value], more: Value) -> dict[str, Value]:
        more = evaluated(more)
        if more is None:
            return arguments
        if not isinstance(more, dict):
            raise Fault(f"`args` is a record, and this is {describe(more)}", field="args")
        return {**arguments, **more}

    def is_executable(self, value: Value) -> bool:
        """Return whether a file of the project, or the file that a derivation makes, is executable."""
        if isinstance(value, Path):
            # Test the mode bit that the store keeps, not the access rights of the current user.
            try:
                mode = os.stat(value.path).st_mode
            except OSError:
                return False
            found = stat.S_ISREG(mode) and bool(mode & 0o100)
            self.log.note(value.reader, ("executable", value.path, found))
            return found
        made = drv.decode(self.derivations[self.output(value).output.derivation])
        return made.args.get("executable") is True

    def inputs(self, value: Value) -> list[str]:
        """Return the placeholders of the outputs that a derivation is built from, sorted."""
        made = drv.decode(self.derivations[self.output(value).output.derivation])
        return self.placeholders.of(set(made.inputs))

    def output(self, value: Value) -> KnownOutput:
        """Return the output for a derivation's record or for a string that is a placeholder."""
        value = evaluated(value)
        text = evaluated(value.get("out")) if isinstance(value, dict) else value
        known = self.placeholders.find(text) if text.__class__ is str else None
        if known is None:
            raise Fault(f"This is {describe(value)}, not a derivation")
        return known

    def _string(self, fields: dict[str, Value], name: str) -> str:
        value = evaluated(fields.get(name))
        if value.__class__ is not str:
            what = (
                f"A derivation needs the string {quote(name)}" if name not in fields else f"{quote(name)} is a string"
            )
            raise Fault(what, why=f"this value is {describe(value)}" if name in fields else "", field=name)
        return value

    def _list(self, fields: dict[str, Value], name: str) -> list[Value]:
        value = evaluated(fields.get(name, []))
        if value.__class__ is not list:
            raise Fault(f"{quote(name)} is a list, and this is {describe(value)}", field=name)
        return [evaluated(item) for item in value]

    def _argument(self, value: Value, where: str, depth: int) -> Any:
        """Return the canonical form of an argument, with the keys of dicts sorted."""
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
            if not INT_MIN <= value <= INT_MAX:
                what = f"The number in {quote(where)} is too large"
                raise Fault(what, why=INT_RANGE, field=where.split(".")[0])
            return value
        if depth > MAX_DEPTH:
            raise Fault(
                f"{quote(where.split('.')[0])} is nested too deeply, or contains itself", field=where.split(".")[0]
            )
        if kind is list:
            return self._items(value, where, depth + 1)
        if kind is Path:
            return self.source(value)
        if isinstance(value, dict) and kind is not OnDemand:
            out = value.get("out")
            if out is not None and value.get("type") == "derivation":
                return out if out.__class__ is str else self._argument(out, where, depth)
            return self._arguments(value, f"{where}.", depth)
        top = where.split(".")[0]
        hint = "write it as a string" if kind is float else SECRET if kind is Secret else ""
        raise Fault(
            f"A derivation cannot hold {describe(value)}",
            why=f"it is in {quote(where)}" if where else "",
            hint=hint,
            field=top,
        )

    def _items(self, items: list[Value], where: str, depth: int) -> list[Any]:
        """Return the canonical form of the elements of a list."""
        if _STRINGS.issuperset(map(type, items)):
            return items
        found = []
        for item in items:
            if item.__class__ is Thunk:
                item = force(item)
            if item.__class__ is Record and item.get("type") == "derivation" and item["out"].__class__ is str:
                item = item["out"]
            elif item.__class__ is not str:
                item = self._argument(item, where, depth)
            found.append(item)
        return found

    def _arguments(self, record: dict[str, Value], before: str, depth: int) -> dict[str, Any]:
        """Return the canonical form of a record's fields, sorted. before: the path of the record, with a final dot."""
        depth += 1
        return {
            name: value if value.__class__ is str else self._argument(value, before + name, depth)
            for name, value in sorted(record.items(), key=_NAME)
        }

    def _in_written_order(self, value: Value, where: str, depth: int) -> None:
        """Raise the fault that comes first in a value, in the order of the source text."""
        value = evaluated(value)
        if depth < MAX_DEPTH and value.__class__ is list:
            for item in value:
                self._in_written_order(item, where, depth + 1)
        elif depth < MAX_DEPTH and isinstance(value, dict) and not is_derivation(value):
            for name, item in value.items():
                self._in_written_order(item, f"{where}.{name}" if where else name, depth + 1)
        else:
            self._argument(value, where, depth)
