"""`fpack mirror list`: list the locks that a mirror keeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.builders.distribution.protocol import Repository


@click.command("list")
@click.argument("mirror")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
def command(mirror: str, as_json: bool) -> int:
    """List the locks that MIRROR keeps: when each was last kept (to the week), its packages, files and bytes."""
    from fpack.cli.ui.layout import Page, clean
    from fpack.cli.ui.render import megabytes

    from .keep import open_mirror

    opened = open_mirror(mirror)
    rows = kept_locks(opened.repository)
    if as_json:
        shared.print_json({"mirror": opened.address, "locks": rows})
        return 0
    if not rows:
        print("The mirror keeps no lock.")
        return 0
    page = Page()
    cells = [["lock", "kept", "packages", "files", "size", "releases"]]
    for row in rows:
        if row["error"]:
            cells.append([row["id"][:12], row["kept"] or "-", "-", "-", "-", row["error"]])
        else:
            numbers = [str(row["packages"]), str(row["files"]), megabytes(row["size"])]
            cells.append([row["id"][:12], row["kept"] or "-", *numbers, " ".join(row["releases"])])
    for line in page.table([[clean(cell) for cell in cells_of_row] for cells_of_row in cells]):
        print(line)
    return 0


def kept_locks(repository: Repository) -> list[dict[str, Any]]:
    """Return what is known of each kept lock, the last kept first."""
    from fpack.builders.debian.lock.text import parse_lock
    from fpack.builders.distribution.protocol import Unavailable
    from fpack.builders.mirrors.kept_lock import identities, last_uses, read_config
    from fpack.builders.mirrors.pages import stored_lock
    from fpack.store.errors import FpackError

    tags = repository.tags()
    uses = last_uses(tags)
    rows = []
    for identity in identities(tags):
        when = uses.get(identity)
        row: dict[str, Any] = {
            "id": identity,
            "kept": time.strftime("%Y-%m-%d", time.gmtime(when)) if when is not None else None,
            "digest": None, "packages": 0, "files": 0, "size": 0, "releases": [], "error": None,
        }  # fmt: skip
        try:
            stored = stored_lock(repository, identity)
            if stored is None:
                continue
            kept = read_config(repository, stored)
            lock = parse_lock(kept.lock, f"{repository.name}: lock {identity}")
            row |= {"digest": stored.manifest.digest, "packages": len(lock.packages), "files": kept.number}
            row |= {"size": kept.size, "releases": lock.releases()}
        except Unavailable:
            raise
        except FpackError as error:
            row["error"] = ": ".join(filter(None, (error.what, error.why)))
        rows.append(row)
    return rows


def find_identity(repository: Repository, text: str) -> str:
    """Return the identity of the one kept lock that begins with a text. Raise UsageError if there is no such one."""
    from fpack.builders.mirrors.kept_lock import LOCK_TAG, identities
    from fpack.cli.errors import UsageError

    found = [name for name in identities(repository.tags(LOCK_TAG)) if text and name.startswith(text)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} kept locks begin with {text!r}" if found else f"The mirror keeps no lock {text!r}"
    raise UsageError(what, where=repository.name, hint="fpack mirror list MIRROR shows them")
