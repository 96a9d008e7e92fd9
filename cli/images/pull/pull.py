"""Pull an image of a registry into the store, and describe the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.intake import image_documents
from fpack.builders.intake.image_intake import ImageIntake
from fpack.builders.intake.store_record import RecordError
from fpack.builders.verify.findings import VerifyError
from fpack.cli.paths import cache_directory
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError
from fpack.store.files import disk_cache
from fpack.store.path import StorePath, parse

from .choice import choose

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage
    from fpack.cli.workspace.workspace import Workspace

_DIRECTORY = "pulled"  # below the cache: the path of each image that was pulled, by digest and platform


class PullResult(NamedTuple):
    """A pulled image. digest: of what the reference names, which may be an index. image: of the image.

    path: of its output. added: paths. fetched: bytes. unchanged: the store had it, and only the digest of the tag was
    asked for.
    """

    reference: str
    digest: str
    image: str
    platform: str
    path: StorePath
    added: Sequence[StorePath] = ()
    fetched: int = 0
    unchanged: bool = False

    def value(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "reference": self.reference,
            "digest": self.digest,
            "image": self.image,
            "platform": self.platform,
            "path": str(self.path),
            "added": [str(path) for path in self.added],
            "fetched": self.fetched,
            "unchanged": self.unchanged,
        }


def pull(
    workspace: Workspace,
    remote: RemoteImage,
    platform: str | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    say: Callable[[str], None] = lambda text: None,
) -> PullResult:
    """Pull an image. platform: which one of an index; None for this machine's. say: gets what a user must know."""
    if (known := _unchanged(workspace, remote, platform)) is not None:
        return known
    archive = remote.archive()
    digest = archive.top.digest
    if not remote.reference.digest:
        say(f"{remote}: {digest}")
    image = choose(remote, platform)
    if image.data is None:
        raise VerifyError(
            "This image is not fpack's, so it has no store paths", where=str(remote), why=image.absent,
            hint=f"fpack try {remote} runs it, and fpack size and fpack show describe it",
        )  # fmt: skip
    found = image_documents.read(archive, image.digest, image.data, str(remote))
    store = workspace.store
    if not store.is_writable:
        raise store.refusal or FpackError("The store cannot be written", where=str(store.root))
    made = ImageIntake(
        store, archive.repository, found.head, found.entries, found.record, found.expected,
        lambda absent: add_payloads(workspace, found.head.lock.packages, found.derivations, absent), progress,
    ).run()  # fmt: skip
    store.used([made.path, *found.record.built], "", f"{remote.name}/{found.head.image.arch}")
    if made.is_clean:
        text = "\n".join([f"{image.platform} {image.digest}", *map(str, (made.path, *sorted(found.record.built)))])
        disk_cache.write(cache_directory() / _DIRECTORY, _key(digest, platform), text.encode())
    return PullResult(str(remote), digest, image.digest, image.platform, made.path, made.added, made.fetched)


def _key(digest: str, platform: str | None) -> str:
    return f"{digest.removeprefix('sha256:')}-{(platform or 'own').replace('/', '-')}"


def _unchanged(workspace: Workspace, remote: RemoteImage, platform: str | None) -> PullResult | None:
    """Return the result of an earlier pull if the reference still names that image and the store has it."""
    directory = cache_directory() / _DIRECTORY
    if not directory.is_dir() or not workspace.has_store or (platform and not platform.replace("/", "").isalnum()):
        return None
    digest = remote.reference.digest
    if not digest:
        entry = remote.repository.resolve(remote.reference.wanted)
        digest = entry.digest if entry is not None else ""
    data = disk_cache.read(directory, _key(digest, platform)) if digest else None
    if data is None:
        return None
    try:
        known, *paths = bytes(data).decode().split("\n")
        named, _, image = known.partition(" ")
        kept = [parse(path) for path in paths]
    except (UnicodeDecodeError, FpackError):
        return None
    if not image or not kept or not workspace.store.keep(kept):
        return None
    return PullResult(str(remote), digest, image, named, kept[0], unchanged=True)


def add_payloads(
    workspace: Workspace,
    pins: Sequence[Any],
    derivations: Mapping[str, Derivation],
    absent: Mapping[StorePath, Sequence[bytes]],
) -> None:
    """Make payloads from the .deb files of the archive, by the derivations of the manifest. pins: of its lock."""
    dates = {(pin.archive, pin.file): pin.date for pin in pins}
    workspace.mirrors.dated = lambda archive, path: dates.get((archive, path))
    bodies = workspace.evaluator.derivations
    for name, drv in derivations.items():
        bodies[bytes.fromhex(name)] = drv.encode()
    for path, makers in absent.items():
        known = next((maker for maker in makers if maker.hex() in derivations), None)
        if known is None or derivations[known.hex()].kind != "deb":
            raise RecordError(
                "A package that the image was linked with cannot be found", where=str(path),
                why="the image's manifest does not say which one it is",
            )  # fmt: skip
        (made,) = workspace.realise([Output(known)])
        if made != path:
            raise RecordError(
                "A package that the image was linked with differs", where=str(path), why=f"its .deb gives {made}"
            )
