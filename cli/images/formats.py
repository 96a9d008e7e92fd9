"""The forms in which an image can be written: what each is called, where it goes by default, and what writes it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fpack.cli.errors import UsageError
from fpack.cli.ui.render import megabytes
from fpack.store.errors import printable

from . import manifests
from .packing import Made


class Form(NamedTuple):
    """help: a few words. file_name: where it goes by default. write: writes it, and says what was written.
    use: commands for people: what to do with it.

    oci: it is an image, for container engines and registries, of one platform or more; else a file of one platform,
    which is compressed as a whole, and the codec is its own. directory: it is no file. check: raises an error if a
    tool is not there.
    """

    help: str
    file_name: Callable[[Made, str | None], str]
    write: Callable[[Made, Path, str | None], dict[str, Any]]
    use: Callable[[Made, str], list[str]]
    oci: bool = False
    directory: bool = False
    check: Callable[[], object] = lambda: None


def _name(suffix: str) -> Callable[[Made, str | None], str]:
    return lambda made, codec: f"{made.container.file_name}.{suffix}"


def _rootfs_name(made: Made, codec: str | None) -> str:
    from fpack.builders.streams.compressed import SUFFIXES

    return f"{made.container.file_name}.rootfs.tar{SUFFIXES[(codec or 'none').partition(':')[0]]}"


def _oci(layout: bool) -> Callable[[Made, Path, str | None], dict[str, Any]]:
    def write(made: Made, out: Path, codec: str | None) -> dict[str, Any]:
        from fpack.builders.export import oci as export

        export_it = export.export_layout if layout else export.export_tar
        result = export_it(made.bundle, out, manifests.within(made.manifests))
        several = len(made.manifests) > 1
        written = [
            manifests.write_beside(out, place, arch if several else "")
            for arch, place in zip(made.archs, made.manifests, strict=False)
        ]
        if written:
            result["manifest"] = written if several else written[0]
        return result

    return write


def _file_system(module: str, default: str | None = None) -> Callable[[Made, Path, str | None], dict[str, Any]]:
    """What `write_MODULE` of `fpack.builders.export.MODULE` writes. default: a codec, else fpack's own."""

    def write(made: Made, out: Path, codec: str | None) -> dict[str, Any]:
        from importlib import import_module

        from fpack.builders.streams import codecs

        record = codecs.codec(codec or default)
        found: Any = import_module(f"fpack.builders.export.{module}")
        (image,) = made.images
        getattr(found, f"write_{module}")(image, made.disk, record, out)
        about = made.bundle.result(out)
        kept = ("file", "name", "tag", "platform", "digest", "image_id", "size_unpacked")
        return {
            **{key: about[key] for key in kept},
            "format": module,
            "size": out.stat().st_size if out.is_file() else None,
        }

    return write


def _package_name(module: str) -> Callable[[Made, str | None], str]:
    def name(made: Made, codec: str | None) -> str:
        from importlib import import_module

        found: Any = import_module(f"fpack.builders.export.{module}")
        text: str = found.file_name(made.bundle.name, made.bundle.tag, made.archs[0])
        return text

    return name


def full_name(made: Made) -> str:
    """What container engines call the image."""
    from fpack.builders.oci.spec import full_name as full

    return f"{full(made.bundle.name)}:{made.bundle.tag}"


def run(made: Made, engine: str) -> str:
    """The command that runs the image."""
    ports = "".join(f" -p {shlex.quote(_published(p))}" for p in made.container.ports)
    # A container's record is somebody's: what is pasted into a shell should be no more than arguments.
    words = [word for option in made.container.run_options for word in option.split()]
    arguments = "".join(f" {shlex.quote(printable(word))}" for word in words)
    return f"{engine} run --rm{ports}{arguments} {full_name(made)}{'' if made.bundle.runs else ' PROGRAM'}"


def _published(port: str) -> str:
    """A port, or `53/udp`, as an engine publishes it under its own number."""
    number, slash, protocol = port.partition("/")
    return f"{number}:{number}{slash}{protocol}"


def _use_tar(made: Made, place: str) -> list[str]:
    return [f"podman load -i {shlex.quote(place)}", run(made, "podman")]


def _use_layout(made: Made, place: str) -> list[str]:
    """podman names what it pulls after the directory, and pulls nothing from one that makes no name."""
    from fpack.builders.oci.spec import is_name

    source = shlex.quote(f"oci:{place}:{made.bundle.tag}")
    get = f"podman tag $(podman pull -q {source}) {full_name(made)}"
    if not is_name(place.lstrip("/")):
        get = f"skopeo copy {source} containers-storage:{full_name(made)}"
    return [get, run(made, "podman")]


def _use_rootfs(made: Made, place: str) -> list[str]:
    folder = shlex.quote(f"{made.container.file_name}-root")
    return [f"mkdir {folder} && sudo tar -xpf {shlex.quote(place)} --numeric-owner -C {folder}"]


def _use_squashfs(made: Made, place: str) -> list[str]:
    return [f"sudo mount -o loop,ro {shlex.quote(place)} /mnt"]


def _squashfs_tool() -> object:
    from fpack.builders.export import squashfs

    return squashfs.find()


def _use_package(tool: str) -> Callable[[Made, str], list[str]]:
    def use(made: Made, place: str) -> list[str]:
        at = place if "/" in place else f"./{place}"
        return [f"sudo {tool} install {shlex.quote(at)}", package_name(made)]

    return use


def package_name(made: Made) -> str:
    """The command that a package of the image brings."""
    from fpack.builders.export.system_package import own_name

    return own_name(made.bundle.name)


FORMS = {
    "tar": Form("an image for podman, docker and skopeo", _name("tar"), _oci(layout=False), _use_tar, oci=True),
    "oci-dir": Form(
        "the image as an OCI layout", _name("oci"), _oci(layout=True), _use_layout, oci=True, directory=True
    ),
    "rootfs-tar": Form("its file system as a tar", _rootfs_name, _file_system("rootfs", "none"), _use_rootfs),
    "squashfs": Form("as a squashfs", _name("squashfs"), _file_system("squashfs"), _use_squashfs, check=_squashfs_tool),
    "deb": Form("as a Debian package", _package_name("deb"), _file_system("deb"), _use_package("apt")),
    "rpm": Form("as an RPM package", _package_name("rpm"), _file_system("rpm"), _use_package("dnf")),
}
DEFAULT = "tar"


def place(form: Form, made: Made, output: Path | None, codec: str | None) -> Path:
    """The file or directory to write. A directory that is there takes a file under its default name."""
    name = form.file_name(made, codec)
    if output is None:
        return Path(name)
    return output / name if not form.directory and output.is_dir() else output


def check_output(output: Path) -> None:
    """UsageError if nothing could be written to `output`: better before the work than after it."""
    if str(output) == "-":
        raise UsageError("-o - names no file", hint="give a file, or --load podman, or --load docker")
    folder = output.parent
    if not folder.is_dir():
        raise UsageError(f"{output} cannot be written", why=f"there is no directory {folder}", hint="make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{output} cannot be written", why=f"you may not write in {folder}", hint="give another place")


def places(form: Form, made: list[Made], output: Path | None, codec: str | None) -> list[Path]:
    """Those of several things: in one directory, which is made if need be. UsageError if two have one name."""
    if len(made) == 1:
        return [place(form, made[0], output, codec)]
    folder = output or Path()
    found = [folder / form.file_name(each, codec) for each in made]
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
