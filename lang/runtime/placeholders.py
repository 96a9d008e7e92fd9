"""Keep the outputs that an evaluation has made, and find references to them in strings.

A string refers to an output that is not built yet by its placeholder, a store path. The inputs of a derivation are
found by searching its arguments for placeholders, so strings need no extra data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fpack.lang.errors import Fault, quote
from fpack.light_typing import Any, Final, NamedTuple
from fpack.store import derivation as drv
from fpack.store.derivation import Output
from fpack.store.path import HASH_CHARS, STORE, find_references

_BEFORE = f"{STORE}/"
_BEGIN = _BEFORE.encode()
_KEY = HASH_CHARS + 1  # length of a placeholder's hash and the dash after it
_PACKED: Final = 3  # index of KnownOutput.packed; an index is faster than an attribute
_new = tuple.__new__  # the `__new__` of a NamedTuple takes twice as long


class KnownOutput(NamedTuple):
    """An output that this evaluation has made.

    derivation: the derivation's digest. name: the output's name, such as `out`. text: its placeholder. packed: its
    encoding, as derivations hold it.
    """

    derivation: bytes
    name: str
    text: str
    packed: bytes

    @property
    def output(self) -> Output:
        """The reference to the output, as derivations hold it."""
        return Output(self.derivation, self.name)


class Placeholders:
    """The known outputs, by the hash of the placeholder and the dash after it, as ASCII."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownOutput] = {}
        self._plain = True  # all outputs are named `out`, so their encodings sort as the outputs do

    def add(self, digest: bytes, name: str, outputs: Iterable[str]) -> list[str]:
        """Register a derivation's outputs and return their placeholders.

        digest, name: those of the derivation. outputs: the names of the outputs.
        """
        texts = []
        for output in outputs:
            if output != "out":
                self._plain = False
            hash_ = drv.placeholder_hash(digest, output)
            text = f"{_BEFORE}{hash_}-{name if output == 'out' else drv.output_name(name, output)}"
            texts.append(text)
            self._known[f"{hash_}-".encode()] = _new(
                KnownOutput, (digest, output, text, drv.pack_output(digest, output))
            )
        return texts

    def find(self, text: str) -> KnownOutput | None:
        """Return the output whose placeholder equals `text`, or None."""
        for hash_, _ in find_references(text):
            known = self._known.get(f"{hash_}-".encode())
            if known is not None and known.text == text:
                return known
        return None

    def of(self, outputs: set[Output]) -> list[str]:
        """Return the placeholders of outputs, sorted."""
        return sorted(known.text for known in self._known.values() if known.output in outputs)

    def check_cut(self, text: str, cuts: list[int]) -> None:
        """Raise Fault if a cut lies inside a placeholder: the pieces would lose the dependency.

        cuts: offsets into `text` at which it is to be split.
        """
        if STORE not in text:
            return
        for hash_, _ in find_references(text):
            known = self._known.get(f"{hash_}-".encode())
            if known is None:
                continue
            start = text.find(known.text)
            while start >= 0:
                if any(start < cut < start + len(known.text) for cut in cuts):
                    name = known.text[len(_BEFORE) + _KEY :]
                    why = f"the string contains the path of {quote(name)}, which is not built yet"
                    raise Fault("A path in the store cannot be cut or changed", why=why)
                start = text.find(known.text, start + 1)

    def refuse(self, text: str, done: str) -> None:
        """Raise Fault if a text contains a placeholder: what is made of it would lose the dependency.

        done: what would be done with the path, as a participle.
        """
        if STORE in text and any(f"{hash_}-".encode() in self._known for hash_, _ in find_references(text)):
            why = "the path stands for an output that is not built yet"
            raise Fault(f"A string with a path in the store cannot be {done}", why=why)

    def packed_in(self, packed: bytes) -> list[bytes] | None:
        """Return the encodings of the outputs that an encoded value references, sorted by output.

        The result has the outputs that `in_fields` finds in the value, without a walk through the value. Return None if
        the value holds a store path of anything else. A path cannot begin in one string and end in another, because the
        bytes between two strings cannot be part of a path.
        """
        pieces = packed.split(_BEGIN)
        if len(pieces) == 1:
            return []
        known = self._known
        try:
            found = [known[key] for key in {piece[:_KEY] for piece in pieces[1:]}]
        except KeyError:
            return None
        if self._plain:
            return sorted([output[_PACKED] for output in found])
        return [output.packed for output in sorted(found)]

    def in_fields(self, fields: dict[str, Any]) -> list[KnownOutput]:
        """Return the outputs that canonical values reference, sorted; raise Fault for a path that nothing makes."""
        return sorted({known for name, value in fields.items() for known in self._in(value, name)})

    def _in(self, value: Any, where: str) -> Iterator[KnownOutput]:
        """Yield the outputs that a canonical value references. where: the path of its field, for the error."""
        if value.__class__ is str:
            for hash_, name in find_references(value):
                known = self._known.get(f"{hash_}-".encode())
                if known is None:
                    why = f"it is used in {quote(where)}"
                    hint = "use the derivation itself instead of its path"
                    what = f"No derivation of this evaluation makes the path {quote(f'{STORE}/{hash_}-{name}')}"
                    raise Fault(what, why=why, hint=hint)
                yield known
        elif value.__class__ is list:
            for item in value:
                yield from self._in(item, where)
        elif value.__class__ is dict:
            for name, item in value.items():
                yield from self._in(name, where)
                yield from self._in(item, f"{where}.{name}")
