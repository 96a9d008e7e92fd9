"""The outputs that an evaluation has made so far, and where strings mention them.

An output that is not built yet stands in strings as its placeholder, a path of the store. What a derivation is made
from is found by looking for placeholders in its arguments; so strings are plain strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from fpack.lang.errors import Fault, quote
from fpack.store import derivation as drv
from fpack.store.derivation import Output
from fpack.store.path import STORE, find_references

_BEFORE = f"{STORE}/"
_BEGIN = _BEFORE.encode()
_KEY = 33  # a placeholder's hash and the dash after it
_PACKED: Final = 3  # the field of a known output that is asked for most
_new = tuple.__new__


class Known(NamedTuple):
    """An output that exists in this evaluation. text: its placeholder as strings hold it; packed: its encoding."""

    derivation: bytes
    name: str
    text: str
    packed: bytes

    @property
    def output(self) -> Output:
        """The output itself."""
        return Output(self.derivation, self.name)


class Placeholders:
    """The known outputs, by their placeholders' hashes and the dash after it, as ASCII."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}
        self._plain = True  # all are named `out`: their encodings have their order

    def add(self, digest: bytes, name: str, outputs: Iterable[str]) -> list[str]:
        """The placeholders of a derivation's outputs, which are known from now on. name: the derivation's."""
        texts = []
        for output in outputs:
            if output != "out":
                self._plain = False
            hash_ = drv.placeholder_hash(digest, output)
            text = f"{_BEFORE}{hash_}-{name if output == 'out' else drv.output_name(name, output)}"
            texts.append(text)
            self._known[f"{hash_}-".encode()] = _new(Known, (digest, output, text, drv.pack_output(digest, output)))
        return texts

    def find(self, text: str) -> Known | None:
        """The output whose placeholder a string is."""
        for hash_, _ in find_references(text):
            known = self._known.get(f"{hash_}-".encode())
            if known is not None and known.text == text:
                return known
        return None

    def of(self, outputs: set[Output]) -> list[str]:
        """The placeholders of outputs, sorted."""
        return sorted(known.text for known in self._known.values() if known.output in outputs)

    def check_cut(self, text: str, cuts: list[int]) -> None:
        """Refuse to cut `text` inside a placeholder: the pieces would not say what they depend on."""
        if STORE not in text:
            return
        for hash_, _ in find_references(text):
            known = self._known.get(f"{hash_}-".encode())
            if known is None:
                continue
            start = text.find(known.text)
            while start >= 0:
                if any(start < cut < start + len(known.text) for cut in cuts):
                    name = known.text[len(STORE) + 34 :]
                    why = f"the string holds the path of {quote(name)}, which is not built yet"
                    raise Fault("A path in the store cannot be cut or changed", why=why)
                start = text.find(known.text, start + 1)

    def packed_in(self, packed: bytes) -> list[bytes] | None:
        """The encodings of the outputs that stand in the strings of an encoded value, in the outputs' order; None if
        there are paths of others.

        A path cannot begin in one string and end in another: no byte between them is one of a path.
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
            return sorted([each[_PACKED] for each in found])
        return [each.packed for each in sorted(found)]

    def in_fields(self, fields: dict[str, Any]) -> list[Known]:
        """The outputs that stand in the strings of canonical values, in order. What nothing makes is a fault."""
        return sorted({known for name, value in fields.items() for known in self._in(value, name)})

    def _in(self, value: Any, where: str) -> Iterator[Known]:
        if value.__class__ is str:
            for hash_, name in find_references(value):
                known = self._known.get(f"{hash_}-".encode())
                if known is None:
                    why = f"it stands in {quote(where)}"
                    hint = "use a derivation's value in place of its path"
                    raise Fault(f"Nothing here makes the path {quote(f'{STORE}/{hash_}-{name}')}", why=why, hint=hint)
                yield known
        elif value.__class__ is list:
            for item in value:
                yield from self._in(item, where)
        elif value.__class__ is dict:
            for name, item in value.items():
                yield from self._in(name, where)
                yield from self._in(item, f"{where}.{name}")
