"""Find the places that keep what locks pin: those of the option, of the settings, and of the project.

A project names them in its file, as `mirrors = ["registry.example.org/team/kept"]`. This list is read without
evaluating the file, since evaluation may need what they keep. It cannot name files outside the project.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.cli.paths import PROJECT_FILE, cache_directory
from fpack.cli.ui.render import note
from fpack.store.errors import FpackError
from fpack.store.settings import OFFLINE

if TYPE_CHECKING:
    from fpack.builders.distribution.protocol import Repository
    from fpack.builders.mirrors.places import KeptPlaces

FIELD = "mirrors"


def kept_places(option: str | None, project: Path | None) -> KeptPlaces | None:
    """Return the places, in order, or None if there are none. Offline, only those of this machine count."""
    from fpack.builders.debian.mirrors import kept_addresses

    named = kept_addresses(option)
    own = project_mirrors(project) if project is not None else []
    if not named and not own:
        return None
    from fpack.builders.mirrors.addresses import is_on_this_machine, normal_address
    from fpack.builders.mirrors.places import KeptPlace, KeptPlaces

    addresses = dict.fromkeys((normal_address(text) for text in named), True)
    found = [project_address(text, project) for text in own] if project is not None else []
    confirmed = _confirmed([address for address in found if not is_on_this_machine(address)], addresses)
    for address in found:
        if is_on_this_machine(address) or address in confirmed:
            addresses.setdefault(address, False)
    if OFFLINE.find():
        addresses = {address: trusted for address, trusted in addresses.items() if is_on_this_machine(address)}
    return KeptPlaces([KeptPlace(address, _opener(address, trusted), note) for address, trusted in addresses.items()])


def _confirmed(remote: list[str], configured: Collection[str]) -> list[str]:
    """Return those mirrors of a project on other machines that its user confirmed. Offline, none is asked."""
    if not remote or OFFLINE.find():
        return []
    from fpack.cli.workspace.caches.confirmed_addresses import MIRRORS

    return MIRRORS.among(remote, configured)


def _opener(address: str, trusted: bool) -> Callable[[], Repository]:
    from fpack.builders.mirrors.addresses import open_place

    return lambda: open_place(address, patient=False, trusted=trusted)


def project_address(text: str, project: Path) -> str:
    """Return an address of a project's list in full. Raise BadMirror for files outside the project."""
    from fpack.builders.distribution.reference import is_reference
    from fpack.builders.mirrors.addresses import BadMirror

    if text.startswith("./"):
        real = os.path.realpath(os.path.join(project, text))
        top = os.path.realpath(project)
        if real == top or real.startswith(f"{top.rstrip('/')}/"):
            return Path(real).as_uri()
    elif is_reference(text) or text.startswith(("oci://", "https://")):  # no bucket: it would learn whose login asks
        return text
    raise BadMirror(
        f"The project's mirror {text[:200]!r} is not one that a project may name",
        where=str(project / PROJECT_FILE),
        why="a project may name registries, https addresses and its own directories such as ./mirror",
        hint="name others with --mirror kept=ADDRESS, or mirror.kept in the settings",
    )


def project_mirrors(project: Path) -> list[str]:
    """Return the texts of the project's list of mirrors; none if its file has no such list of plain texts."""
    path = project / PROJECT_FILE
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    if FIELD not in text:
        return []
    from fpack.lang.syntax.parser import parse
    from fpack.lang.syntax.source import Source

    try:
        entries = parse(Source(str(path), text), cache_directory() / "modules")
    except FpackError:
        return []  # evaluation of the file raises the error
    for entry in entries:
        if entry.kind == "set" and entry.name == FIELD and entry.value.kind == "list":
            items = entry.value.items
            return [item.value for item in items] if all(item.kind == "str" for item in items) else []
    return []
