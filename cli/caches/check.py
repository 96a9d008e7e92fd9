"""`fpack cache check`: check that a cache has what it names."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared

_SHOWN = 20  # faults to name


@click.command(
    "check",
    epilog="""\b
Examples:
  fpack cache check                          the caches of the setting
  fpack cache check file:///srv/cache --content""",
)
@click.argument("addresses", nargs=-1, metavar="[URL]...")
@click.option("--content", is_flag=True, help="Read everything, and verify every path.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
def command(addresses: tuple[str, ...], content: bool, as_json: bool) -> int:
    """Check that caches have every path that they list. Exit with 1 if something is missing or wrong."""
    from fpack.builders.caches.check import check
    from fpack.cli.errors import UsageError
    from fpack.cli.store.paths import opened
    from fpack.cli.ui.progress_line import ProgressLine
    from fpack.cli.ui.render import counted, megabytes
    from fpack.cli.workspace.caches.opener import open_cache
    from fpack.store.errors import printable
    from fpack.store.settings import CACHES

    wanted = list(dict.fromkeys(addresses or CACHES.find()))
    if not wanted:
        raise UsageError("No cache is named", hint="give a URL, or the setting caches")
    rows: list[dict[str, Any]] = []
    for address in wanted:
        line = ProgressLine("checking")
        try:
            if content:
                with opened(create=True) as store:
                    done = check(open_cache(address), store, line)
            else:
                done = check(open_cache(address), None, line)
        finally:
            line.end()
        row = {**done._asdict(), "faults": [fault._asdict() for fault in done.faults], "cache": address}
        rows.append(row)
        if not as_json:
            signed = f"{counted(done.statements, 'statement')}, {done.trusted} by trusted keys"
            forged = f", {done.unsigned} with a wrong signature" if done.unsigned else ""
            print(f"{printable(address)}: {counted(done.paths, 'path')}, {megabytes(done.size)}, {signed}{forged}")
            for fault in done.faults[:_SHOWN]:
                print(printable(f"  {fault.base}: {fault.what}" if fault.base else f"  {fault.what}"))
            if len(done.faults) > _SHOWN:
                print(f"  and {len(done.faults) - _SHOWN} more")
    if as_json:
        shared.print_json({"caches": rows})
    return 1 if any(row["faults"] or row["unsigned"] for row in rows) else 0
