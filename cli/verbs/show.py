"""`fpack show`: show details of a package, a container, an image file, a derivation, or what a list has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.ui.render import counted, megabytes

if TYPE_CHECKING:
    from fpack.cli.ui.layout import Page
    from fpack.cli.workspace.target import Target
    from fpack.cli.workspace.workspace import Workspace

Pairs = list[tuple[str, str | Sequence[str]]]


@click.command(
    "show",
    epilog="""\b
Examples:
  fpack show debian.trixie.jq          a package: version, size, dependencies
  fpack show debian.trixie.jq --files  and its files, once it is unpacked
  fpack show postgres                  a container: its configuration and packages
  fpack show postgres.tar              an image file, also of another tool
  fpack show fpack.fp#app --json       a derivation, an output of one, a path
  fpack show ./result                  what a store path was built from""",
)
@click.argument("image", required=False, metavar="[WHAT]")
@click.option("--files", is_flag=True, help="List the package's files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_any
@shared.of_file
@shared.locking
def command(
    image: str | None,
    expression: str | None,
    together: bool,
    platform: str | None,
    files: bool,
    as_json: bool,
    **rest: Any,
) -> int:
    """Show details of WHAT. Nothing is built or locked. For a list or a record, each member is shown."""
    from fpack.cli.images.subject import of_file
    from fpack.cli.workspace.target import parse
    from fpack.cli.workspace.workspace import Workspace

    image = shared.target_text(image, expression)
    given = shared.options(rest)
    if (stored := of_file(image, platform)) is not None:
        from fpack.cli.images import describe

        _print([("", describe.image(stored))], files, as_json)
        return 0
    # Details of a package do not depend on a fresh lock.
    looking = parse(image, Path.cwd()).package is not None
    with Workspace(given._replace(frozen=True) if looking else given) as workspace:
        facts = _facts(workspace, workspace.target(image), together)
        if not looking:
            workspace.finish()
    _print(facts, files, as_json)
    return 0


def _print(members: list[tuple[str, dict[str, Any]]], files: bool, as_json: bool) -> None:
    from fpack.cli.ui.layout import Page, show_members

    if as_json:
        shared.print_members(members)
        return
    page = Page()
    show_members(page, [(member, _lines(page, facts, files)) for member, facts in members])


def _lines(page: Page, facts: dict[str, Any], files: bool) -> Iterator[str]:
    if facts["type"] == "package":
        return _package(page, facts, files)
    return _container(page, facts) if facts["type"] == "container" else _derivation(page, facts)


def _facts(workspace: Workspace, target: Target, together: bool) -> list[tuple[str, dict[str, Any]]]:
    """Describe what a target names, or each of its members."""
    from fpack.cli.images import describe as facts
    from fpack.cli.workspace.containers import container_of, packed_together
    from fpack.cli.workspace.error_context import naming_definition
    from fpack.cli.workspace.named_values import NamedValue, values
    from fpack.cli.workspace.package_lookup import Packages

    if target.package is not None:
        release, name = target.package
        return [("", facts.package(workspace, Packages(workspace, release), name))]

    def described(value: NamedValue) -> dict[str, Any]:
        if value.kind == "derivation":
            return facts.derived(workspace, workspace.output(value.value))
        if value.kind == "package":
            release, name = str(workspace.field(value.value, "release")), str(workspace.field(value.value, "name"))
            arch = str(workspace.field(workspace.field(value.value, "platform"), "arch"))
            return facts.package(workspace, Packages(workspace, release, arch), name)
        return facts.container(workspace, container_of(workspace, value, target))

    found = values(workspace, target)
    with naming_definition(target):
        if together and found[0].member:
            found = [packed_together(workspace, found, target)]
        return [(value.member, described(value)) for value in found]


# Rendering as text.


def _package(page: Page, facts: Mapping[str, Any], files: bool) -> Iterator[str]:
    from fpack.cli.ui.layout import clean

    yield f"{page.paint(facts['name'], 'bold')} {facts['version']}"
    if facts["description"]:
        yield clean(facts["description"])
    yield ""
    locked, built = facts["locked"], facts["built"]
    source = facts["source"]
    if facts["source_version"] != facts["version"]:
        source += f" {facts['source_version']}"
    size = f"{megabytes(facts['size'])} to download"
    if facts["installed_size"] is not None:
        size += f", {megabytes(facts['installed_size'])} installed"
    pin = f"{locked['version']} of the index of {locked['date'][:10]}, in {locked['lock']}" if locked else "no"
    pairs: Pairs = [
        ("target", facts["target"]),
        ("release", f"{facts['release']}{_in_suite(facts)}, {facts['arch']}"),
        ("section", clean(facts["section"])),
        ("source", source),
        ("homepage", clean(facts["homepage"])),
        ("size", size),
        ("depends on", [clean(entry) for entry in [*facts["pre_depends"], *facts["depends"]]] or "nothing"),
        ("recommends", [clean(name) for name in facts["recommends"]]),
        ("provides", [clean(name) for name in facts["provides"]]),
        ("locked", pin),
        ("newest", facts["newest"] if locked and facts["newest"] not in (None, locked["version"]) else ""),
        ("built", built["path"] if built else ""),
    ]
    if built and not files:
        pairs.append(("files", f"{len(built['files'])}, {megabytes(built['size'])}; --files lists them"))
    yield from page.fields(pairs)
    if files:
        yield ""
        if built:
            yield from _files(page, built["files"])
        else:
            yield page.paint(f"The files are known once the package is unpacked: fpack pack {facts['target']}", "dim")


def _in_suite(facts: Mapping[str, Any]) -> str:
    suite = facts["suite"]
    return f" ({suite})" if suite not in (None, facts["release"]) else ""


def _files(page: Page, files: Sequence[Mapping[str, Any]]) -> list[str]:
    from fpack.cli.ui.layout import clean

    rows = [
        ["" if file["target"] else megabytes(file["size"]), clean(file["path"])
         + (f" -> {clean(file['target'])}" if file["target"] else "")]
        for file in files
    ]  # fmt: skip
    return page.table(rows, right=(0,))


def _container(page: Page, facts: Mapping[str, Any]) -> Iterator[str]:
    from fpack.cli.ui.layout import clean

    config, built, packages = facts["config"], facts["built"], facts["packages"]
    yield page.paint(clean(facts["name"]), "bold") + (f":{clean(facts['tag'])}" if facts["tag"] else "")
    yield ""
    user = config.get("user") or ""
    if config.get("uid") and config["uid"] != user:
        user = f"{user} ({config['uid']})" if user else config["uid"]
    pairs: Pairs = [
        ("entrypoint", _words(config.get("entrypoint"))),
        ("command", _words(config.get("command"))),
        ("user", str(user)),
        ("workdir", config.get("workdir") or ""),
        ("env", [f"{key}={value}" for key, value in sorted((config.get("env") or {}).items())]),
        ("ports", ", ".join(str(port) for port in config.get("ports") or ())),
        ("volumes", list(config.get("volumes") or ())),
        ("labels", [f"{key}={value}" for key, value in sorted((config.get("labels") or {}).items())]),
        ("stop signal", str(config.get("stop_signal") or "")),
        ("health", _health(config.get("healthcheck"))),
        ("run with", " ".join(facts["run_options"])),
        ("made for", facts["arch"] + (f", from {facts['release']}" if facts["release"] else "")),
        (
            "closure",
            {"linked": "linked: what its files load", "depends": "depends: declared dependencies"}.get(
                facts["closure"], ""
            ),
        ),
    ]
    if built:
        layers = counted(built["layers"], "layer")
        unpacked = f"{megabytes(built['size_unpacked'])} unpacked, " if built["size_unpacked"] is not None else ""
        pairs += [
            ("digest", built["digest"] or ""),
            ("size", f"{megabytes(built['size_compressed'])} compressed, {unpacked}{layers}"),
        ]
    else:
        pairs.append(("built", "no"))
    if facts.get("no_manifest"):
        pairs.append(("packages", f"not known: {facts['no_manifest']}"))
    yield from page.fields([(name, clean(v) if isinstance(v, str) else [clean(x) for x in v]) for name, v in pairs])
    if packages is None:
        return
    yield ""
    more = "" if built or facts["closure"] == "depends" else ", and packages that their files load"
    yield page.paint(f"{counted(len(packages), 'package')}{more}", "bold")
    rows = [
        [package["name"], megabytes(package["size"]) if built else "", clean(package["version"])]
        for package in packages
    ]
    yield from page.table(rows, right=(1,))


def _words(words: Sequence[str] | None) -> str:
    import shlex

    return shlex.join(words) if words else ""


def _health(check: Mapping[str, Any] | None) -> str:
    if not check:
        return ""
    run = check["command"]
    text = run if isinstance(run, str) else _words(run)
    return text + (f" every {check['interval']}" if check.get("interval") else "")


def _derivation(page: Page, facts: Mapping[str, Any]) -> Iterator[str]:
    built = facts["built"]
    yield page.paint(facts["name"], "bold")
    yield ""
    pairs: Pairs = [
        ("kind", facts["kind"]),
        ("inputs", str(facts["inputs"])),
        ("derivation", facts["derivation"]),
        ("built", built["path"] if built else "no"),
    ]
    if built:
        pairs += [
            ("on disk", built["disk"]),
            ("size", megabytes(built["size"])),
            ("references", built["references"] or "nothing"),
        ]
    yield from page.fields(pairs)
