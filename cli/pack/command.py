"""Pack the images of `fpack pack`, write, load and push them, and describe them. This imports no click."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from fpack.cli import shared_options as shared
from fpack.cli.errors import UsageError
from fpack.cli.images import container_options, engines, formats, manifests, packing
from fpack.cli.images.formats import DEFAULT, FORMATS, Format
from fpack.cli.ui.render import megabytes, note, short, warn
from fpack.cli.workspace.curated import curated
from fpack.light_typing import TYPE_CHECKING, Any, TypeVar
from fpack.store.errors import DamagedPath, counted

if TYPE_CHECKING:
    from fpack.cli.images.audits import Auditor
    from fpack.cli.images.packing import PackedImage
    from fpack.cli.trial.acceptance import Acceptance

T = TypeVar("T")
MAX_SOURCES = 5  # that are named


def run(
    targets: Sequence[str],
    /,
    together: bool,
    output: Path | None,
    tag: str | None,
    format_: str | None,
    platforms: tuple[str, ...],
    load: str | None,
    push: str | None,
    plain_http: bool,
    no_manifest: bool,
    sboms: tuple[str, ...],
    provenance: bool,
    vex: bool,
    data: tuple[str, ...],
    fetch_fixed: bool,
    sources: bool | None,
    tries: tuple[str, ...],
    from_git: bool,
    source_date: bool,
    as_json: bool,
    **rest: Any,
) -> int:
    """Pack targets, or the project. Return the exit status. rest: the options of a container, and the shared ones."""
    what = (*targets, *container_options.expressions(rest))
    options = _options(rest, len(what), tag, from_git, source_date)
    form = FORMATS[format_ or DEFAULT]
    archs = _architectures(platforms, options, form, format_)
    most, bills = _documents(form, no_manifest, sources, sboms, provenance, vex, data, fetch_fixed)
    # Write no file for --load and --push, unless one is requested too: a push reads layers from the store.
    write = (load is None and push is None) or output is not None or format_ is not None
    _check_destinations(form, format_, output, write, load, push)
    complete = write or push is not None  # the documents about the image are wanted
    auditor = _auditor(data, fetch_fixed) if vex and complete else None
    acceptance = _acceptance(tries)
    make = partial(
        packing.make,
        what or (None,),
        archs,
        # A codec applies to a file that is no OCI image as a whole. Its image is built as without the option.
        options if form.oci else options._replace(compress=None),
        most if complete else None,
        formats=bills if complete else (),
        provenance=provenance and complete,
        auditor=auditor,
        together=together,
        accept=acceptance.check,
        keep_base=write or load is not None,
        again=not (provenance or vex or tries),
    )
    attempt = partial(_attempt, make, form, output, write, load, push, plain_http, options)
    # A pipe or a device has received a part of the image, so the image cannot be written to it again.
    special = load is not None or (output is not None and output.exists() and not (output.is_file() or output.is_dir()))
    made, results = _repaired(attempt, repeat=not special)
    _add_checks(made, results, acceptance)
    _show(made, results, form, what, as_json, have_layers=form.oci or load is not None)
    return 0


def _options(
    rest: dict[str, Any], images: int, tag: str | None, from_git: bool, source_date: bool
) -> shared.SharedOptions:
    """Return the shared options, with the fields that options set in each container."""
    fields = {
        **container_options.fields(rest),
        **container_options.documented(from_git, source_date, os.environ),
        **container_options.tagged(tag),
    }
    if tag is not None and images > 1:
        raise UsageError("--tag names one image", hint="pack each image separately")
    return shared.options(rest)._replace(fields=fields)


def _architectures(
    platforms: Sequence[str], options: shared.SharedOptions, form: Format, format_: str | None
) -> list[str | None]:
    """Return the architectures to pack for. Raise UsageError if the format holds one only."""
    archs = packing.architectures(platforms, options)
    if not form.oci and len(archs) > 1:
        raise UsageError(
            f"The format {format_} supports only one platform", hint="pack each platform separately, or as an image"
        )
    return archs


def _documents(
    form: Format,
    no_manifest: bool,
    sources: bool | None,
    sboms: Sequence[str],
    provenance: bool,
    vex: bool,
    data: Sequence[str],
    fetch_fixed: bool,
) -> tuple[int | None, tuple[str, ...]]:
    """Return the maximum size of the sources with a manifest, None for no manifest; and the formats of bills.

    Raise UsageError for an option that needs a document which is not written.
    """
    has_manifest = form.oci and not no_manifest
    if not has_manifest:
        _check_needless(sources, provenance, vex)
    bills = _sbom_formats(sboms, form, no_manifest)
    if (data or fetch_fixed) and not vex:
        raise UsageError(f"{'--data' if data else '--fetch-fixed'} is for a VEX document", hint="add --vex")
    most = manifests.SOURCES if sources is None else manifests.ALL_SOURCES if sources else 0
    return most if has_manifest else None, bills


def _check_destinations(
    form: Format, format_: str | None, output: Path | None, write: bool, load: str | None, push: str | None
) -> None:
    """Raise an error, before any work, if an image cannot go where it is wanted."""
    if push is not None:
        from fpack.cli.images.push import push as pushing

        if not form.oci:
            raise UsageError("--push needs an image", hint=f"leave out --format {format_}")
        pushing.check_destination(push)
    if load is not None:
        engines.find(load)
    if write:
        form.check()
        if output is not None:
            from fpack.cli.ui.document_output import check_output

            check_output(output, "give a file, or --load podman, or --load docker")


def _auditor(data: tuple[str, ...], fetch_fixed: bool) -> Auditor:
    from fpack.cli.images.audits import auditor

    return auditor(data, (), False, fetch_fixed)


def _acceptance(tries: tuple[str, ...]) -> Acceptance:
    from fpack.cli.trial.acceptance import Acceptance

    return Acceptance(container_options.command_lines("--try", tries))


def _attempt(
    make: Callable[..., list[PackedImage]],
    form: Format,
    output: Path | None,
    write: bool,
    load: str | None,
    push: str | None,
    plain_http: bool,
    options: shared.SharedOptions,
) -> tuple[list[PackedImage], list[dict[str, Any]]]:
    """Make the images, and write, load and push them. Return the object that `--json` prints for each, too."""
    with ExitStack() as stack:
        made = make(stack=stack)
        if write:
            places = formats.output_paths(form, made, output, options.compress)
            results = [form.write(entry, out, options.compress) for entry, out in zip(made, places, strict=True)]
        else:
            results = [entry.bundle.result(None) for entry in made]
        if load is not None:
            for entry, result in zip(made, results, strict=True):
                engines.load(load, _sender(entry))
                result["loaded"] = load
        if push is not None:
            for entry, result, pushed in zip(made, results, _push(made, push, plain_http, options), strict=True):
                result["pushed"] = pushed
                if entry.manifests:
                    result["sources"] = manifests.sources(entry.manifests)
    return made, results


def _add_checks(made: list[PackedImage], results: list[dict[str, Any]], acceptance: Acceptance) -> None:
    """Warn of what an audit did not check, and add the commands that the images passed to the results."""
    for reason in dict.fromkeys(reason for entry in made for found in entry.vex for reason in found.unchecked):
        warn(f"not checked: {reason}")
    for entry, result in zip(made, results, strict=True):
        passed = dict.fromkeys(found for found in acceptance.passed if found.image == entry.container.name)
        if passed:
            result["tried"] = [found.as_json() for found in passed]


def _check_needless(sources: bool | None, provenance: bool, vex: bool) -> None:
    """Raise UsageError for an option that needs the manifest of an image, which is not written."""
    if sources:
        raise UsageError("--sources needs a manifest, in which the sources travel", hint="leave out --sources")
    for asked, document in ((provenance, "provenance"), (vex, "VEX document")):
        if asked:
            raise UsageError(
                f"A {document} is made from the manifest of an image",
                hint="leave out --no-manifest, and write the image as a tar or an oci-dir",
            )


def _show(
    made: list[PackedImage],
    results: list[dict[str, Any]],
    form: Format,
    what: Sequence[str],
    as_json: bool,
    have_layers: bool,
) -> None:
    """Print what was packed. have_layers: the images were written or loaded with layers, of which some are shared."""
    common = formats.shared(made)
    if as_json:
        several = {"images": results, **({"shared": common.as_json()} if have_layers else {})}
        shared.print_json(results[0] if len(results) == 1 else several)
        return
    for entry, result in zip(made, results, strict=True):
        # A curated image leaves out packages on purpose.
        _describe(entry, result if entry.target not in curated() else {**result, "omitted": ()}, form)
    for text in what:
        _point_to_curated(text)
    if len(made) > 1 and have_layers:
        print("\n".join(common.lines()))


def _push(made: list[PackedImage], push: str, plain_http: bool, options: shared.SharedOptions) -> list[dict[str, Any]]:
    """Push images. Return the objects that `--json` prints."""
    from fpack.cli.images.push import cache_entries, contents
    from fpack.cli.images.push import push as pushing

    with pushing.display() as display:
        return [
            pushing.push(
                contents.of_packed(entry),
                reference,
                plain_http=plain_http,
                observer=display,
                below=entry.below,
                entries=None if options.no_caches else cache_entries.of_packed(reference, entry),
            )
            for entry, reference in zip(made, pushing.destinations(push, made), strict=True)
        ]


def pack_and_push(what: str, push: str, plain_http: bool, options: shared.SharedOptions) -> dict[str, Any]:
    """Pack an image with its manifest, and push it. Return the object that `--json` prints."""

    def attempt() -> dict[str, Any]:
        with ExitStack() as stack:
            archs = packing.architectures((), options)
            made = packing.make([what], archs, options, manifests.SOURCES, stack, keep_base=False, again=True)
            return _push(made, push, plain_http, options)[0]

    return _repaired(attempt, repeat=True)


def _sbom_formats(texts: Sequence[str], form: Format, no_manifest: bool) -> tuple[str, ...]:
    """Return the formats of the bills of materials to write."""
    if not texts:
        return ()
    if no_manifest or not form.oci:
        raise UsageError(
            "A bill of materials is made from the manifest of an image",
            hint="leave out --no-manifest, and write the image as a tar or an oci-dir",
        )
    from fpack.builders.sbom.documents import DEFAULT
    from fpack.cli.images import bills

    try:
        return bills.formats(text or DEFAULT for text in texts)
    except UsageError as error:
        raise error.with_(hint=f"{error.hint}; put --sbom without a format after WHAT") from None


def _repaired(attempt: Callable[[], T], repeat: bool) -> T:
    """Return the result of `attempt`. If it meets damaged paths of the store, make them invalid, and repeat it."""
    repairs = None
    while True:
        try:
            return attempt()
        except DamagedPath as error:
            from fpack.cli.workspace.damage import DamageRepairs
            from fpack.store.store import Store

            repairs = repairs or DamageRepairs()
            store = Store()
            try:
                if not repairs.make(store, error):
                    raise
            finally:
                store.close()
            if not repeat:
                raise error.with_(hint="run the command again") from None


def _sender(made: PackedImage) -> Any:
    from fpack.builders.export.oci import write_tar

    return lambda fd: write_tar(made.bundle, fd)


def _describe(made: PackedImage, result: dict[str, Any], form: Format) -> None:
    """Print what was packed and how to use it."""
    path = short(Path(result["file"])) if result["file"] else ""
    loaded, pushed = result.get("loaded", ""), result.get("pushed")
    print(f"{result['name']}:{result['tag']}  {result['digest']}")
    places = " and ".join(entry for entry in (path, loaded) if entry)
    print(f"  {_sizes(result)}{f', in {places}' if places else ''}")
    platforms = result.get("platforms", [])
    if len(platforms) > 1:
        width = max(len(platform["platform"]) for platform in platforms)
        for platform in platforms:
            print(f"  {platform['platform'].ljust(width)}  {platform['digest']}\n    {_sizes(platform)}")
    if "manifest" in result:
        written = result["manifest"] if isinstance(result["manifest"], list) else [result["manifest"]]
        # None is beside a device or a pipe.
        if paths := [short(Path(path)) for path in written if path]:
            print(f"  origin of each file: {', '.join(paths)}")
    if bills := result.get("sbom"):
        print(f"  bill of materials: {', '.join(short(Path(path)) for path in bills)}")
    if statements := result.get("provenance"):
        print(f"  provenance: {', '.join(short(Path(path)) for path in statements)}")
    if documents := result.get("vex"):
        print(f"  vulnerabilities: {', '.join(short(Path(path)) for path in documents)}")
    for tried in result.get("tried", ()):
        import shlex

        print(f"  passed{' before' if tried['kept'] else ''}: {shlex.join(tried['command'])}")
    print("".join(f"  {line}\n" for line in _sources(result)), end="")
    if omitted := result.get("omitted"):
        print(f"  left out, since no included file loads theirs: {', '.join(omitted)}")
    for line in result.get("notes", ()):
        print(f"  {line}{_next_step(line)}")
    if pushed:
        from fpack.cli.images.push.push import lines

        print("\n".join(lines(pushed)))
    commands = [formats.run(made, loaded)] if loaded else form.use(made, path) if path else []
    if pushed and not commands:
        commands = [formats.run(made, "podman", pushed["reference"])]
    print("Run it:" if form.oci or loaded else "Use it:")
    for command in commands:
        print(f"  {command}")
    if form.oci and not loaded and (advice := formats.old_engines(made)):
        print(advice)


def _next_step(note: str) -> str:
    """Return what a user can do about a note of an image, to append to it. The note itself is part of the image."""
    return "; --entrypoint PROGRAM chooses one" if note.startswith("no entrypoint, because ") else ""


def _sources(result: dict[str, Any]) -> Iterator[str]:
    """Yield what a user must know of the sources that travel with the image: others can read them."""
    found: dict[str, list[dict[str, Any]]] = result.get("sources", {})
    for kind, words in (
        ("carried", "sources in the image's archive, for fpack verify --rebuild: {}; --no-sources leaves them out"),
        ("left_out", "sources too large for the image's archive: {}; --sources includes up to 1 GB"),
    ):
        if rows := found.get(kind):
            shown = [f"{row['name']} ({megabytes(row['size'])})" for row in rows[:MAX_SOURCES]]
            more = [f"{len(rows) - MAX_SOURCES} more"] if len(rows) > MAX_SOURCES else []
            yield words.format(", ".join(shown + more))


def _point_to_curated(text: str) -> None:
    """Recommend the curated image, if there is one: Debian's servers are configured for a system, often as daemons."""
    from fpack.cli.workspace.curated import curated

    distribution, _, rest = text.partition(".")
    package = rest.partition(".")[2] if distribution in ("debian", "ubuntu") else ""
    found = next((name for name in (package, package.removesuffix("-server")) if name in curated()), "")
    if found:
        whose = f"{distribution.capitalize()}'s {package}"
        note(f"this is {whose} unchanged; fpack pack {found} packs the curated image for containers")


def _sizes(result: dict[str, Any]) -> str:
    unpacked = f"{megabytes(result['size_unpacked'])} unpacked"
    if "size" in result:
        return unpacked if result["size"] is None else f"{megabytes(result['size'])}, {unpacked}"
    return f"{megabytes(result['size_compressed'])} compressed, {unpacked}, {counted(result['layers'], 'layer')}"
