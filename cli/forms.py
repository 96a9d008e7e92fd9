"""The forms in which an image can be written: what each is called, where it goes by default, and what writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import attach
from .packing import Made
from .render import megabytes
from .target import UsageError


class Form(NamedTuple):
    """help: a few words. file_name: where it goes by default. write: writes it, and says what was written.

    oci: it is an image, for container engines and registries, of one platform or more. directory: it is no file.
    """

    help: str
    file_name: Callable[[Made], str]
    write: Callable[[Made, Path], dict[str, Any]]
    oci: bool = False
    directory: bool = False


def _name(suffix: str) -> Callable[[Made], str]:
    return lambda made: f"{made.container.file_name}.{suffix}"


def _oci(made: Made, out: Path, layout: bool) -> dict[str, Any]:
    from fpack.builders.oci import export

    write = export.export_layout if layout else export.export_tar
    result = write(made.bundle, out, attach.within(made.manifests))
    several = len(made.manifests) > 1
    written = [
        attach.write_beside(out, place, arch if several else "")
        for arch, place in zip(made.archs, made.manifests, strict=False)
    ]
    if written:
        result["manifest"] = written if several else written[0]
    return result


def _tar(made: Made, out: Path) -> dict[str, Any]:
    return _oci(made, out, layout=False)


def _layout(made: Made, out: Path) -> dict[str, Any]:
    return _oci(made, out, layout=True)


FORMS = {
    "tar": Form("an image for podman, docker and skopeo", _name("tar"), _tar, oci=True),
    "oci-dir": Form("an OCI layout directory", _name("oci"), _layout, oci=True, directory=True),
}
DEFAULT = "tar"


def place(form: Form, made: Made, output: Path | None) -> Path:
    """The file or directory to write. A directory that is there takes a file under its default name."""
    name = form.file_name(made)
    if output is None:
        return Path(name)
    return output / name if not form.directory and output.is_dir() else output


def places(form: Form, made: list[Made], output: Path | None) -> list[Path]:
    """Those of several things: in one directory, which is made if need be. UsageError if two have one name."""
    if len(made) == 1:
        return [place(form, made[0], output)]
    folder = output or Path()
    found = [folder / form.file_name(each) for each in made]
    for path in found:
        if found.count(path) > 1:
            raise UsageError(f"Two of them would be written to {path}", hint="pack them one by one, each with -o")
    if output is not None:
        try:
            output.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{output} cannot be a directory for several images", why=error.strerror or "", hint="name another"
            ) from None
    return found


class Shared(NamedTuple):
    """What several images have in common. layers, size: of the blobs that two or more of them hold, each once.

    total: of all blobs, each once. apart: what they would take if nothing were shared.
    """

    layers: int
    size: int
    total: int
    apart: int

    def as_json(self) -> dict[str, int]:
        """As `--json` prints it."""
        return {
            "layers": self.layers,
            "size_compressed": self.size,
            "total_compressed": self.total,
            "apart_compressed": self.apart,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        if not self.layers:
            yield "They share no layer."
            return
        noun = "layer" if self.layers == 1 else "layers"
        yield (
            f"They share {self.layers} {noun} of {megabytes(self.size)}: "
            f"{megabytes(self.total)} together, not {megabytes(self.apart)}."
        )


def shared(made: list[Made]) -> Shared:
    """What the images have in common."""
    sizes: dict[str, int] = {}
    count: dict[str, int] = {}
    for each in made:
        for digest, size in each.bundle.layers().items():
            sizes[digest] = size
            count[digest] = count.get(digest, 0) + 1
    common = [digest for digest, times in count.items() if times > 1]
    return Shared(
        len(common),
        sum(sizes[digest] for digest in common),
        sum(sizes.values()),
        sum(sizes[digest] * times for digest, times in count.items()),
    )
