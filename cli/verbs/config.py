"""`fpack config`: show each setting, its value and where the value is from."""

from __future__ import annotations

import os
from typing import Any

import click
from fpack.store.errors import did_you_mean


@click.command(
    "config",
    epilog="""\b
Examples:
  fpack config
  fpack config eval.memory
  fpack config --json""",
)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def command(name: str | None, as_json: bool) -> int:
    """Show the settings and the source of each. No setting changes what a build makes.

    An option of a command has precedence, then the environment, then the file of settings, then the default. With NAME,
    one value is shown.
    """
    from fpack.cli.options import print_json
    from fpack.store.settings import configuration_file

    rows = settings()
    if name is not None:
        if name not in rows:
            raise _unknown(name, rows)
        rows = {name: rows[name]}
    if as_json:
        print_json({"file": configuration_file(), "settings": rows})
    elif name is not None:
        click.echo(_shown(rows[name]["value"]))
    else:
        _show(rows, configuration_file())
    return 0


def settings() -> dict[str, dict[str, Any]]:
    """Return value, origin, option and variable of each setting, by its key."""
    from fpack.store.collection.limits import minimum_free
    from fpack.store.files.owners import SHARED_STORE
    from fpack.store.root import default_directory, default_root
    from fpack.store.settings import MIN_FREE, SETTINGS

    rows: dict[str, dict[str, Any]] = {}
    for setting in SETTINGS:
        found = setting.look_up()
        if setting is MIN_FREE and found.origin == "default" and os.path.isdir(default_directory()):
            found = found._replace(value=minimum_free(default_root()))
        value = list(found.value) if isinstance(found.value, tuple) else found.value
        rows[setting.key] = {
            "value": value, "from": found.origin, "option": setting.option, "variable": setting.variable
        }  # fmt: skip
    # These two are needed before a file could be read.
    for key, variable, value in (
        ("store.root", "FPACK_ROOT", default_directory()),
        ("store.shared", SHARED_STORE, os.environ.get(SHARED_STORE, "")),
    ):
        origin = variable if os.environ.get(variable) else "default"
        rows[key] = {"value": value, "from": origin, "option": "", "variable": variable}
    return rows


def _unknown(name: str, rows: dict[str, dict[str, Any]]) -> Exception:
    from fpack.cli.errors import UsageError

    hint = did_you_mean(name, rows) or "fpack config lists all"
    return UsageError(f"There is no setting {name!r}", hint=hint)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _show(rows: dict[str, dict[str, Any]], path: str) -> None:
    from fpack.cli.ui.layout import Page, clean

    page = Page()
    cells = [[key, clean(_shown(row["value"])) or "-", clean(row["from"])] for key, row in sorted(rows.items())]
    for line in page.table(cells):
        click.echo(line)
    there = "" if os.path.exists(path) else ", which does not exist"
    click.echo(page.paint(f"The file of settings is {clean(path)}{there}", "dim"))
