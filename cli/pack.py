"""`fpack pack`: container images of packages and projects."""

from __future__ import annotations

import os
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options as shared
from .engines import ENGINES
from .forms import DEFAULT, FORMS
from .render import megabytes

if TYPE_CHECKING:
    from .packing import Made


@click.command(
    "pack",
    epilog="""\b
Examples:
  fpack pack postgres                         ./postgres.tar, from the curated package
  fpack pack debian.trixie.redis-server       any of Debian's packages
  fpack pack                                  `image` of ./fpack.fp
  fpack pack api.fp#server -o server.tar      an attribute of a file
  fpack pack postgres --load podman           straight into podman
  fpack pack postgres --platform linux/amd64,linux/arm64
  fpack pack postgres redis -o images         two, and what they share
  fpack pack postgres --format oci-dir -o postgres
  fpack pack postgres --compress zstd:19 --json""",
)
@click.argument("what", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or directory to write.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(FORMS)),
    help=f"{'; '.join(f'{name}: {form.help}' for name, form in FORMS.items())}. The default is {DEFAULT}.",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    help="Platforms to make the image for, as in linux/amd64,linux/arm64; this machine's by default.",
)
@click.option("--load", type=click.Choice(ENGINES), help="Load the image into a container engine of this machine.")
@click.option("--compress", metavar="CODEC", help="zstd[:LEVEL], gzip[:LEVEL] or none.")
@click.option("--no-manifest", is_flag=True, help="Write no manifest, neither beside the image nor within.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.building
def command(
    what: tuple[str, ...],
    output: Path | None,
    format_: str | None,
    platforms: tuple[str, ...],
    load: str | None,
    no_manifest: bool,
    as_json: bool,
    **rest: Any,
) -> int:
    """Make a container image of each WHAT and nothing else but what it needs at run time."""
    from . import engines, forms, packing

    options = shared.options(rest)
    archs = packing.architectures(platforms, options)
    form = FORMS[format_ or DEFAULT]
    # Into an engine alone, unless a file is asked for too.
    write = load is None or output is not None or format_ is not None
    if load is not None:
        engines.find(load)
    with ExitStack() as stack:
        made = packing.make(what or (None,), archs, options, write and form.oci and not no_manifest, stack)
        results = []
        if write:
            results = [form.write(each, out) for each, out in zip(made, forms.places(form, made, output), strict=True)]
        else:
            results = [each.bundle.result(None) for each in made]
        if load is not None:
            for each, result in zip(made, results, strict=True):
                engines.load(load, _sender(each))
                result["loaded"] = load
        common = forms.shared(made)
    if as_json:
        several = {"images": results, "shared": common.as_json()}
        shared.print_json(results[0] if len(results) == 1 else several)
        return 0
    for each, result in zip(made, results, strict=True):
        _describe(each, result, form.directory)
    if len(made) > 1:
        print("\n".join(common.lines()))
    return 0


def _sender(made: Made) -> Any:
    from fpack.builders.oci.export import write_tar

    return lambda fd: write_tar(made.bundle, fd)


def _describe(made: Made, result: dict[str, Any], layout: bool) -> None:
    """Say what was made and how to run it."""
    from fpack.builders.oci.spec import full_name

    name = f"{result['name']}:{result['tag']}"
    full = f"{full_name(result['name'])}:{result['tag']}"
    places = [os.path.relpath(result["file"])] if result["file"] else []
    if "loaded" in result:
        places.append(str(result["loaded"]))
    print(f"{name}  {result['digest']}")
    print(f"  {_sizes(result)}, in {' and '.join(places)}")
    if len(result["platforms"]) > 1:
        width = max(len(each["platform"]) for each in result["platforms"])
        for each in result["platforms"]:
            print(f"  {each['platform'].ljust(width)}  {each['digest']}\n    {_sizes(each)}")
    print("Run it:")
    engine = result.get("loaded", "podman")
    if "loaded" not in result:
        if layout:
            print(f"  {_from_layout(places[0], result['tag'], full)}")
        else:
            print(f"  podman load -i {shlex.quote(places[0])}")
    ports = "".join(f" -p {p}:{p}" for p in made.container.ports)
    arguments = "".join(f" {a}" for a in made.container.run_options)
    print(f"  {engine} run --rm{ports}{arguments} {full}")


def _from_layout(place: str, tag: str, full: str) -> str:
    """The command that gets an image from a layout directory. podman names what it pulls after the directory, and
    pulls nothing from one that makes no name."""
    from fpack.builders.oci.spec import is_name

    source = shlex.quote(f"oci:{place}:{tag}")
    if is_name(place.lstrip("/")):
        return f"podman tag $(podman pull -q {source}) {full}"
    return f"skopeo copy {source} containers-storage:{full}"


def _sizes(result: dict[str, Any]) -> str:
    return (
        f"{megabytes(result['size_compressed'])} compressed, {megabytes(result['size_unpacked'])} unpacked, "
        f"{result['layers']} layers"
    )
