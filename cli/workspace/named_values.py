"""Evaluate targets to the values that verbs work with: derivations, packages, containers, shells and services.

A path, a string that is a store path, and a store path or link of the command line are the derivation that they stand
for. A list or a record has members; each is such a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fpack.cli.errors import UsageError
from fpack.cli.paths import PROJECT_FILE
from fpack.lang.runtime.values import describe
from fpack.light_typing import Any, NamedTuple
from fpack.store.errors import FpackError
from fpack.store.path import STORE, find_references

from .error_context import naming_definition
from .stored_path import adopt
from .target import Target
from .workspace import Workspace

KINDS = ("derivation", "package", "container", "shell", "service")  # the types of records that are values of verbs
MAX_DEPTH = 20  # of lists and records within each other


class NamedValue(NamedTuple):
    """A value that a verb works with.

    name: for messages and files: that of the target, and of the member in it. kind: one of KINDS. member: its path in
    the list or record that the target names, or "" if the target names the value itself.
    """

    name: str
    kind: str
    value: Any
    member: str = ""


def values(workspace: Workspace, target: Target) -> list[NamedValue]:
    """Return the values that a target names: one, or the members of a list or a record.

    Raise UsageError for a value that is none of them, such as a number.
    """
    with naming_definition(target):
        return list(_values(workspace, workspace.value(target), target))


def only(workspace: Workspace, target: Target) -> NamedValue:
    """Return the only value that a target names. Raise UsageError for a list or a record."""
    found = values(workspace, target)
    if found[0].member:
        names = ", ".join(value.member for value in found)
        raise UsageError(f"{target.text} is several values", why=f"it has {names}", hint="name one of them")
    return found[0]


def label(target: Target) -> str:
    """Return the last part of a target's name, for the name of what is made from it."""
    return (target.path or target.package or (target.store.rpartition("/")[2].partition("-")[2], "made"))[-1]


def _values(workspace: Workspace, value: Any, target: Target) -> Iterator[NamedValue]:
    found = standing_for(workspace, value)
    kind = kind_of(workspace, found)
    if kind:
        yield NamedValue(label(target), kind, found)
        return
    members = list(_members(workspace, found, "", target, 0))
    if not members:
        raise _without_meaning(workspace, found, target)
    names = [member.name for member in members]
    for member in members:
        name = member.name if names.count(member.name) == 1 else f"{label(target)}-{member.member.replace('.', '-')}"
        yield member._replace(name=name)


def standing_for(workspace: Workspace, value: Any) -> Any:
    """Return the derivation of a path or of a string that is a store path, or the value itself."""
    evaluator = workspace.evaluator
    found = evaluator.standing_for(value)
    if isinstance(found, str) and found.startswith(f"{STORE}/"):
        try:
            found = evaluator.standing_for(adopt(workspace, found))
        except FpackError:
            return found
    if isinstance(found, Mapping) and "built-with" in found:
        found = evaluator.call(evaluator.expression('import("fpack/package").from-path'), found["out"])
    return found


def kind_of(workspace: Workspace, value: Any) -> str:
    """Return which of KINDS a value is, or ""."""
    kind = workspace.field(value, "type") if isinstance(value, Mapping) else None
    if kind == "derivation" and not workspace.evaluator.is_derivation(value):
        return ""
    return kind if kind in KINDS else ""


def _members(workspace: Workspace, value: Any, path: str, target: Target, depth: int) -> Iterator[NamedValue]:
    """Yield the members of a list or a record, without the fields of records that have no meaning, such as numbers."""
    evaluator = workspace.evaluator
    if depth > MAX_DEPTH:
        raise UsageError(f"{target.text} is nested too deeply, or contains itself", hint="name one of its members")
    if isinstance(value, list):
        items = [(str(number), item) for number, item in enumerate(value)]
    elif isinstance(value, Mapping) and not evaluator.is_computed(value) and "type" not in value:
        items = list(value.items())
    else:
        items = []
    for key, item in items:
        member = f"{path}.{key}" if path else key
        found = standing_for(workspace, item)
        kind = kind_of(workspace, found)
        if kind:
            own = workspace.field(found, "name") if isinstance(value, list) else key
            yield NamedValue(str(own or key), kind, found, member)
            continue
        below = list(_members(workspace, found, member, target, depth + 1))
        if not below and isinstance(value, list):
            raise _without_meaning(workspace, found, target._replace(text=f"element {member} of {target.text}"))
        yield from below


def _without_meaning(workspace: Workspace, value: Any, target: Target) -> UsageError:
    """Return the error for a value that no verb works with."""
    text = target.text
    what = f"{text} is {describe(value)}"
    hint = f"fpack eval {text} shows it; name a package, a derivation, a container or a list of them"
    if workspace.evaluator.is_computed(value):
        what, hint = f"{text} is a set of packages that are looked up by name", f"name one of them: {text}.NAME"
    elif isinstance(value, str):
        what += ", and not a store path"
        if value.startswith(f"{STORE}/") and "/" not in value[len(STORE) + 1 :]:
            what = f"{text} is a store path of no known derivation"
            hint = "the store does not have it, or not what made it: name the derivation that makes it"
        elif mentioned := find_references(value):
            hint = f"it mentions {mentioned[0][1]}: name that itself"
        else:
            hint = f'a file with this text is text("NAME", {target.path[-1] if target.path else "..."})'
    elif isinstance(value, list | Mapping):
        what = f"{text} has nothing to build" if value else f"{text} is empty"
        if isinstance(value, Mapping) and "type" in value:
            what = f"{text} is a record of the type {workspace.field(value, 'type')}"
    elif callable(value):
        file = target.file.name if target.file else PROJECT_FILE
        call = f'import("./{file}").{".".join(target.path)}' if target.path else "FUNCTION"
        hint = f"call it: fpack build -e '{call}(...)'"
    return UsageError(what, hint=hint)
