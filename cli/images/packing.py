"""Pack the images of one command: several targets, each for several platforms.

Each image has its own workspace, because a lock and an evaluation belong to one project and one architecture.
Everything is evaluated before anything is built, so that images packed together come from one state of their lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from fpack.cli.architecture import machine_arch
from fpack.cli.errors import UsageError
from fpack.cli.shared_options import SharedOptions
from fpack.cli.workspace import containers
from fpack.cli.workspace.containers import Container
from fpack.cli.workspace.error_context import naming_option
from fpack.cli.workspace.evaluation import answers, log
from fpack.cli.workspace.evaluation.answers import AnswerRecorder
from fpack.cli.workspace.workspace import Workspace
from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple
from fpack.store import derivation
from fpack.store.derivation import Output
from fpack.store.errors import FpackError
from fpack.store.path import parse

from . import bills
from . import manifests as attach

if TYPE_CHECKING:
    from fpack.builders.export.oci import Bundle
    from fpack.store.files.checked_tree import CheckedTree
    from fpack.store.path import StorePath
    from fpack.store.store import Store

    from .attestations.vex_statement import PackedVex
    from .audits import Auditor


class PackedImage(NamedTuple):
    """An image that was packed.

    archs: Debian architectures, in the order of `images`. bundle: the content to export. images, manifests: outputs; no
    manifests if none were requested. trees: returns the reader of a store path. provenances: the statement on each
    image if they were requested. vex: the document on each image if they were requested. target: what the command
    line named, or None. paths: the output of each image, with its store. below: the layers of bases that are not on
    this machine, as `base_layers`.
    """

    container: Container
    archs: tuple[str, ...]
    bundle: Bundle
    images: tuple[CheckedTree, ...]
    manifests: tuple[CheckedTree, ...]
    bills: tuple[CheckedTree, ...]
    formats: tuple[str, ...]
    trees: Callable[[str], CheckedTree]
    provenances: tuple[bytes, ...] = ()
    vex: tuple[PackedVex, ...] = ()
    target: str | None = None
    paths: tuple[tuple[Store, StorePath], ...] = ()
    below: tuple[dict[str, Any], ...] = ()


class _ImageJob(NamedTuple):
    """An image to build. answer: records the evaluation, to pack the same again without it."""

    workspace: Workspace
    container: Container
    wanted: list[Output]
    target: str | None
    answer: AnswerRecorder | None = None


def architectures(platforms: Sequence[str], options: SharedOptions) -> list[str | None]:
    """Return the Debian architectures of `--platform` values, each a comma-separated list.

    The result is [None] for the machine's own architecture.
    """
    names = [name for value in platforms for name in value.split(",")]
    if not names:
        return [options.arch]
    if options.arch is not None:
        raise UsageError("--arch and --platform exclude each other", hint="use --platform linux/arm64 alone")
    from fpack.builders.oci.spec import architecture

    try:
        return list(dict.fromkeys(architecture(name) for name in names))
    except FpackError as error:
        raise UsageError(error.what, why=error.why, hint="as in --platform linux/amd64,linux/arm64") from None


def make(
    targets: Sequence[str | None],
    archs: Sequence[str | None],
    options: SharedOptions,
    sources: int | None,
    stack: ExitStack,
    formats: Sequence[str] = (),
    provenance: bool = False,
    auditor: Auditor | None = None,
    together: bool = False,
    accept: Callable[[Workspace, Container, StorePath], None] | None = None,
    keep_base: bool = True,
    again: bool = False,
) -> list[PackedImage]:
    """Evaluate and build the images of each target. Their workspaces are open as long as `stack` is.

    sources: the maximum size of the sources that travel with each manifest; None for no manifests. formats: the formats
    of the bills of materials, which need a manifest, as the statements of `provenance` do. auditor: makes VEX
    documents, which need one too. together: the members of a list or a record are packed in one image. accept: is
    called with each image that was built. keep_base: layers of bases are needed on this machine. again: one target
    that was packed before is not evaluated if nothing has changed: only the image and its manifest are used.
    """
    alone = len(targets) * len(archs) == 1
    name = ""
    if again and alone and archs[0] is None and not (options.fields or formats or together):
        more = (options.compress or "", f"{sources} {keep_base}")
        name = log.question("pack 1", (targets[0] or "",), str(options.lock or ""), *more)
    groups = _evaluate(targets, archs, options, sources, formats, stack, together, keep_base, name)
    if any(_moved(job) for group in groups for job in group):
        # A package list had disappeared, so the lock was updated: jobs evaluated before that are outdated.
        groups = _evaluate(targets, archs, options, sources, formats, stack, together, keep_base, name)
    made = [_build(mine, formats, provenance, auditor, accept, keep_base) for mine in groups]
    if alone:
        job = groups[0][0]
        job.workspace.finish()
        # A command of the image needs more than the image, and what is said of a base can change.
        if job.answer is not None and not job.container.tries and not base_layers(made[0].images[0]):
            job.answer.keep(log.plain(job.container._replace(meta={})), [tuple(output) for output in job.wanted])
    return made


def _build(
    jobs: Sequence[_ImageJob],
    formats: Sequence[str],
    provenance: bool,
    auditor: Auditor | None,
    accept: Callable[[Workspace, Container, StorePath], None] | None,
    keep_base: bool,
) -> PackedImage:
    """Build the images of one target, a job for each platform. The parameters are those of `make`."""
    from fpack.builders.export.oci import Bundle

    images: list[CheckedTree] = []
    documents: list[list[CheckedTree]] = [[], []]
    provenances: list[bytes] = []
    vex: list[PackedVex] = []
    paths: list[tuple[Store, StorePath]] = []
    blobs: dict[str, str] = {}
    below: list[dict[str, Any]] = []
    for job in jobs:
        with naming_option(job.workspace.options.fields):
            image, *rest = job.workspace.realise(job.wanted)
        if accept is not None:
            accept(job.workspace, job.container, image)
        _keep(job, image, rest)
        images.append(job.workspace.store.tree(image))
        paths.append((job.workspace.store, image))
        if not keep_base:
            below += base_layers(images[-1])
        else:
            blobs |= fetch_blobs(job.workspace, base_layers(images[-1]))
        for found, path in zip(documents, rest, strict=False):
            found.append(job.workspace.store.tree(path))
        if provenance:
            from .attestations.provenance import of_pack

            provenances.append(of_pack(job.workspace, documents[0][-1], job.target))
        if auditor is not None:
            from .attestations import vex_statement

            vex.append(vex_statement.of_pack(job.workspace, documents[0][-1], auditor))
    first = jobs[0]
    store = first.workspace.store

    def trees(path: str) -> CheckedTree:
        return store.tree(parse(path))

    return PackedImage(
        first.container,
        tuple(job.container.arch for job in jobs),
        Bundle(images, trees, blobs),
        tuple(images),
        tuple(documents[0]),
        tuple(documents[1]),
        tuple(formats),
        trees,
        tuple(provenances),
        tuple(vex),
        first.target,
        tuple(paths),
        tuple(below),
    )


def _keep(job: _ImageJob, image: StorePath, documents: Sequence[StorePath]) -> None:
    """Keep what was packed from gc, in place of what was packed before from the same project by the same name."""
    store, project = job.workspace.store, job.workspace.project_name
    name = f"{job.container.name}/{job.container.arch}"
    store.used([image], project, name)
    store.pin(image, project, name)
    for document, kind in zip(documents, ("manifest", "sbom"), strict=False):
        store.pin(document, project, f"{name} {kind}")


def _evaluate(
    targets: Sequence[str | None],
    archs: Sequence[str | None],
    options: SharedOptions,
    sources: int | None,
    formats: Sequence[str],
    stack: ExitStack,
    together: bool,
    keep_base: bool,
    name: str,
) -> list[list[_ImageJob]]:
    """Return the images of each target and of each of its members: one for each architecture.

    name: of the answer, if the one target needs no evaluation while nothing has changed; else "".
    """
    alone = len(targets) * len(archs) == 1
    own = machine_arch()
    groups: list[list[_ImageJob]] = []
    for text in targets:
        of_target: dict[str, list[_ImageJob]] = {}
        for arch in sorted(archs, key=lambda arch: arch not in (None, own)):  # old clients use only the first image
            # Maintainer scripts run on a machine of their architecture only.
            fields = options.fields if arch in (None, own) else {"configure": False, **options.fields}
            workspace = stack.enter_context(Workspace(options._replace(arch=arch, fields=fields)))
            workspace.keep_blobs = keep_base
            if name and (known := _packed_before(workspace, text, name)) is not None:
                return [[known]]
            with AnswerRecorder(name) as answer:
                target = workspace.target(text)
                for container in containers.containers(workspace, target, together=together):
                    if arch is not None:
                        _check_platform(container, arch, text)
                    wanted = [container.image]
                    if sources is not None:
                        manifest = attach.manifest(workspace, container, sources)
                        wanted.append(manifest)
                        if formats:
                            wanted.append(bills.bill(workspace, manifest, formats))
                    of_target.setdefault(container.member, []).append(_ImageJob(workspace, container, wanted, text))
                # A bare name that is that of a package is told.
                is_told = target.package is not None and bool(target.path)
                if name and list(of_target) == [""] and not (target.store or target.expression or is_told):
                    answer.evaluated(workspace, target)
                    of_target[""] = [of_target[""][0]._replace(answer=answer)]
            if not alone:
                # The next workspace may use the same lock.
                workspace.finish()
        groups += of_target.values()
    return groups


def _packed_before(workspace: Workspace, text: str | None, name: str) -> _ImageJob | None:
    """Return the image that an unchanged evaluation gave, if the store has it and its manifest."""
    found = answers.read(name)
    workspace.parsed(text)
    if found is None or not workspace.has_store:
        return None
    (image, root, *fields), wanted = found
    outputs = [Output(*row) for row in wanted]
    if workspace.store.built(outputs) is None:
        return None
    return _ImageJob(workspace, Container(Output(*image), Output(*root), *fields), outputs, text)


def _check_platform(container: Container, arch: str, text: str | None) -> None:
    """Raise UsageError if the image is for another architecture than the command line asks for."""
    if container.arch != arch:
        from fpack.builders.oci.spec import platform_name

        raise UsageError(
            f"{text or container.name} is for {platform_name(container.arch)}, "
            f"and the command asks for {platform_name(arch)}",
            why="its file says so, by `platform` or by packages of this architecture",
            hint="remove `platform` and `.for` from the file: the command then packs an image for each platform",
        )


def _moved(job: _ImageJob) -> bool:
    """Return whether the evaluation updated existing entries of the lock."""
    return "source" in job.workspace.__dict__ and bool(job.workspace.source.moved)


def base_layers(image: CheckedTree) -> list[dict[str, Any]]:
    """Return the records of the layers of an image's base, with the addresses of its repository in `urls`."""
    from fpack.builders.oci.image_record import read

    fields = read(image).fields
    base = fields.get("base")
    return [{**layer, "urls": base["urls"]} for layer in fields["layers"][: base["layers"]]] if base else []


def fetch_blobs(workspace: Workspace, layers: list[dict[str, Any]]) -> dict[str, str]:
    """Fetch the blobs of layers of a base. Return the store path of each blob by the path of the layer's list."""
    if not layers:
        return {}
    from fpack.builders.kinds import ociblob

    outputs = []
    for layer in layers:
        body = ociblob.derivation(layer["urls"], layer["digest"], layer["size"]).encode()
        digest = derivation.digest(body)
        workspace.evaluator.derivations[digest] = body
        outputs.append(Output(digest))
    made = workspace.realise(outputs)
    return {layer["path"]: str(path) for layer, path in zip(layers, made, strict=True)}


def refuse_base(image: CheckedTree, what: str) -> None:
    """Raise UsageError if an image has a base. what: what it cannot be then."""
    if base_layers(image):
        raise UsageError(
            f"An image with a base cannot be {what}",
            why="its layers were made by another tool, in a form that fpack cannot unpack",
            hint="pack it as --format tar or oci-dir",
        )
