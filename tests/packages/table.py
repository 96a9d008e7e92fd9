"""The table of results."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packages.cases import SERVER, Case

# What the words of a failed result mean.
CLASSES = {
    "pack": "fpack does not pack it",
    "start": "the engine cannot start the container",
    "exits": "the server ends",
    "silent": "the server runs and does not answer",
    "status": "the command fails",
    "output": "the command ends well and prints something else",
    "hangs": "the command does not end",
    "apt": "apt does not install it",
    "debian": "there is no Debian to compare with",
}

_SIDES = {
    "fpack": ("fpack", "fpack_what", "size", "line", "seconds", "commit"),
    "debian": ("debian", "debian_what", "debian_size"),
}


def latest(results: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the last result of each package, by release and name. Older ones lend what later ones did not measure.

    `first` is the first result in fpack's image.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    if results.exists():
        for text in results.read_text().splitlines():
            result = json.loads(text)
            key = result["release"], result["name"]
            before = found.get(key, {})
            for side in ("fpack", "debian"):
                if side in result:
                    before = {k: v for k, v in before.items() if k not in _SIDES[side]}
            found[key] = before | result
            if "fpack" in result:
                found[key].setdefault("first", result["fpack"])
    return found


def line(result: Mapping[str, Any]) -> str:
    """Return one result as a line with the end of what was seen."""
    sides = " ".join(f"{side} {result.get(side, '-'):7}" for side in ("fpack", "debian"))
    sizes = " ".join(f"{key} {_megabytes(result, key)}" for key in ("size", "linked", "debian_size"))
    text = f"{result['name']:24} {result['kind']:8} {sides} {sizes} {result.get('seconds', '-')} s"
    for key in ("fpack_what", "debian_what", "linked_what"):
        if key in result:
            text += "".join(f"\n    {key}: {part}" for part in result[key].splitlines()[-6:])
    return text


def _megabytes(result: Mapping[str, Any], key: str) -> str:
    return f"{result[key] / 1e6:.1f}" if key in result else "-"


def render(
    cases: Sequence[Case], results: Mapping[tuple[str, str], Mapping[str, Any]], with_first: bool = False
) -> str:
    """Return a table in Markdown, counts, what failed, and notes. with_first: also show each first result of fpack."""
    sides_shown = {"first": "at first", "fpack": "fpack's image", "debian": "Debian"}
    if not with_first:
        del sides_shown["first"]
    heads = ["package", "kind", "release", *sides_shown.values(), "image, MB", "`linked`, MB", "Debian, MB"]
    heads += ["pack, s", "commit"]
    rows = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    tried = [(case, results[case.release, case.name]) for case in cases if (case.release, case.name) in results]
    for case, result in tried:
        sizes = [_megabytes(result, key) for key in ("size", "linked", "debian_size")]
        sides = [str(result.get(side, "-")) for side in sides_shown]
        cells = [case.name, case.kind, case.release, *sides, *sizes]
        cells += [str(result.get(key, "-")) for key in ("seconds", "commit")]
        rows.append(f"| {' | '.join(cells)} |")
    rows += [
        "",
        *([f"- {_count(tried, 'first', 'the first image of fpack')}"] if with_first else ()),
        *(f"- {_count(tried, side, place)}" for side, place in (("fpack", "fpack's image"), ("debian", "Debian"))),
    ]
    if left := [case.name for case in cases if "fpack" not in results.get((case.release, case.name), {})]:
        rows.append(f"- not tried in fpack's image: {', '.join(left)}")
    classes = Counter(result["fpack"] for _case, result in tried if result.get("fpack", "works") != "works")
    rows += [f"- {number} `{name}`: {CLASSES.get(name, name)}" for name, number in classes.most_common()]
    rows += [f"- {case.name}: {case.note}" for case, _result in tried if case.note]
    return "\n".join(rows) + "\n"


def _count(tried: Sequence[tuple[Case, Mapping[str, Any]]], side: str, place: str) -> str:
    of = [(case, result[side] == "works") for case, result in tried if side in result]
    servers = [good for case, good in of if case.kind == SERVER]
    return (
        f"{sum(good for _case, good in of)} of {len(of)} that were tried work in {place}, "
        f"{sum(servers)} of {len(servers)} servers"
    )
