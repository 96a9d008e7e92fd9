"""Random sets and layers, as texts of the language and of Nix, with the values that the definition of overrides gives.

A set is a list of layers, the lowest first. A layer gives some fields, each a number or the sum of a field and a
number. The field is that of the whole set (`new`) or that of the layers below (`old`); both see the whole set.
"""

from __future__ import annotations

import random
from typing import NamedTuple

NAMES = "abcdef"


class Sum(NamedTuple):
    """The definition of a field. of: "", `new` or `old`; name: the field that is added to the number."""

    of: str
    name: str
    number: int


Fields = dict[str, Sum]


class Wrong(Exception):
    """A field that depends on itself, or that does not exist."""


def value(layers: list[Fields]) -> dict[str, int]:
    """Return the fields of a set; raise Wrong if one has no value."""
    done: dict[tuple[str, int], int] = {}
    busy: set[tuple[str, int]] = set()

    def find(name: str, below: int) -> int:
        at = next((i for i in reversed(range(below)) if name in layers[i]), None)
        if at is None or (name, at) in busy:
            raise Wrong(name)
        if (name, at) not in done:
            busy.add((name, at))
            made = layers[at][name]
            found = 0 if not made.of else find(made.name, len(layers) if made.of == "new" else at)
            busy.remove((name, at))
            done[name, at] = found + made.number
        return done[name, at]

    return {name: find(name, len(layers)) for layer in layers for name in layer}


def base(chance: random.Random) -> Fields:
    """Return the fields of a set that was not changed: each mentions one before it, if any."""
    fields: Fields = {}
    for name in NAMES[: chance.randrange(2, 6)]:
        known = list(fields)
        mentions = known and chance.random() < 0.6
        fields[name] = Sum("new" if mentions else "", chance.choice(known) if mentions else "", chance.randrange(9))
    order = list(fields)
    chance.shuffle(order)
    return {name: fields[name] for name in order}


def layer(chance: random.Random, kinds: tuple[str, ...]) -> Fields:
    """Return a layer whose definitions are of these kinds: "", `new`, `old`."""
    fields: Fields = {}
    for name in chance.sample(NAMES, chance.randrange(1, 4)):
        kind = chance.choice(kinds)
        other = name if kind == "old" and chance.random() < 0.5 else chance.choice(NAMES)
        fields[name] = Sum(kind, other if kind else "", chance.randrange(1, 9) * 10)
    return fields


class Case(NamedTuple):
    """A set that has a value."""

    layers: list[Fields]
    value: dict[str, int]


def cases(seed: int, count: int, kinds: tuple[str, ...] = ("", "new", "old"), most: int = 4) -> list[Case]:
    """Return sets with values, always the same for the same arguments."""
    chance = random.Random(seed)
    found: list[Case] = []
    while len(found) < count:
        layers = [base(chance), *(layer(chance, kinds) for _ in range(chance.randrange(1, most + 1)))]
        try:
            found.append(Case(layers, value(layers)))
        except Wrong:
            continue
    return found


# ---- texts


def siblings(fields: Fields) -> str:
    """Return a record of the language, whose fields mention each other by name."""
    return record(fields, "")


def record(fields: Fields, new: str = "new.") -> str:
    """Return a record of the language. new: what stands before the name of a field of the whole set."""
    made = [f"{name} = {_sum(field, new, 'old.')}" for name, field in fields.items()]
    return "{ " + ", ".join(made) + " }"


def _sum(field: Sum, new: str, old: str) -> str:
    before = {"": "", "new": f"{new}{field.name} + ", "old": f"{old}{field.name} + "}[field.of]
    return f"{before}{field.number}"


def change(fields: Fields) -> str:
    """Return the argument of `.extend` for a layer."""
    return f"((old, new) => {record(fields)})"


def text(case: Case) -> str:
    """Return an expression of the language for a set."""
    return siblings(case.layers[0]) + "".join(f".extend{change(fields)}" for fields in case.layers[1:])


def nix(case: Case) -> str:
    """Return the expression of Nix for a set, as overlays on a fixed point."""

    def attributes(fields: Fields) -> str:
        made = [f"{name} = {_sum(field, 'final.', 'prev.')};" for name, field in fields.items()]
        return "{ " + " ".join(made) + " }"

    overlays = " ".join(f"(final: prev: {attributes(fields)})" for fields in case.layers[1:])
    return f"(set (final: {attributes(case.layers[0])}) [ {overlays} ])"


NIX_SET = (
    "fix = f: let x = f x; in x; "
    "over = f: layer: final: let prev = f final; in prev // layer final prev; "
    "set = base: layers: fix (builtins.foldl' over base layers);"
)
