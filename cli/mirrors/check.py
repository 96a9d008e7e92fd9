"""`fpack mirror check`: check every file of a mirror, and its signatures."""

from __future__ import annotations

import time

import click
from fpack.cli import options as shared

FAILED = 1  # the exit status


@click.command(
    "check",
    epilog="Exit status: 0 if every file is present and intact; 1 if not, or if the mirror keeps no lock.",
)
@click.argument("mirror")
@click.argument("locks", nargs=-1, metavar="[ID...]")
@click.option("--fast", is_flag=True, help="Tell only which files are missing; read none of them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
def command(mirror: str, locks: tuple[str, ...], fast: bool, as_json: bool) -> int:
    """Check the locks that MIRROR keeps, or those whose ID is given.

    Every file is read and compared with its digest. Each release's signature is verified with the archive's keys, and
    each package is found by its digest in an index that a signed release lists.
    """
    from fpack.builders.debian.signatures import find_keyring
    from fpack.builders.mirrors.check import MirrorChecker
    from fpack.builders.mirrors.kept_lock import LOCK_TAG, identities
    from fpack.store.errors import counted, one_line

    from .keep import open_mirror
    from .listing import find_identity

    opened = open_mirror(mirror)
    repository = opened.repository
    names = [find_identity(repository, text) for text in locks] or identities(repository.tags(LOCK_TAG))
    checker = MirrorChecker(repository, lambda archive: find_keyring(None, archive=archive), time.time(), fast=fast)
    results = [checker.check(name) for name in names]
    problems = [problem for result in results for problem in result.problems]
    if as_json:
        found = [
            {**result._asdict(), "problems": [problem._asdict() for problem in result.problems]} for result in results
        ]
        shared.print_json({"mirror": opened.address, "fast": fast, "locks": found})
        return FAILED if problems or not results else 0
    for result in results:
        for problem in result.problems:
            print(one_line(f"{problem.kind}: {problem.name} (lock {problem.identity[:12]}): {problem.why}"))
        if not result.problems:
            chain = "" if fast else f", {result.signed} of {counted(result.packages, 'package')} by signed indexes"
            print(f"lock {result.identity[:12]}: {counted(result.files, 'file')}{chain}: complete")
    if not results:
        print("The mirror keeps no lock.")
    return FAILED if problems or not results else 0
