"""Define the formats in which an image can be written: names, default file names, and writers."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from fpack.cli.errors import UsageError
from fpack.cli.ui.render import megabytes
from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple
from fpack.store.errors import printable

from . import bills, manifests
from .packing import PackedImage, refuse_base

if TYPE_CHECKING:
    from fpack.builders.manifest.referrer import Referrer


class Format(NamedTuple):
    """A format of images.

    file_name: default name of the file. write: write the file and return its description. use: commands that use the
    file.

    oci: an image for container engines and registries, of one or more platforms; otherwise a file for one platform that
    is compressed as a whole, with its own default codec. directory: the output is a directory. check: raise an error if
    a tool is missing.
    """

    file_name: Callable[[PackedImage, str | None], str]
    write: Callable[[PackedImage, Path, str | None], dict[str, Any]]
    use: Callable[[PackedImage, str], list[str]]
    oci: bool = False
    directory: bool = False
    check: Callable[[], object] = lambda: None


def _name(suffix: str) -> Callable[[PackedImage, str | None], str]:
    return lambda made, codec: f"{made.container.file_name}.{suffix}"


def _rootfs_name(made: PackedImage, codec: str | None) -> str:
    from fpack.builders.streams.codecs import SUFFIXES

    return f"{made.container.file_name}.rootfs.tar{SUFFIXES[(codec or 'none').partition(':')[0]]}"


def _oci(layout: bool) -> Callable[[PackedImage, Path, str | None], dict[str, Any]]:
    def write(made: PackedImage, out: Path, codec: str | None) -> dict[str, Any]:
        extra = manifests.within(made.manifests, other_referrers(made))
        if layout:
            from fpack.builders.export.layout_directory import export_layout

            result = export_layout(made.bundle, out, lambda: extra)
        else:
            from fpack.builders.export.oci import export_tar

            result = export_tar(made.bundle, out, extra)
        several = len(made.manifests) > 1
        written = [
            manifests.write_beside(out, manifest, arch if several else "")
            for arch, manifest in zip(made.archs, made.manifests, strict=False)
        ]
        if written:
            result["manifest"] = written if several else written[0]
            result["sources"] = manifests.sources(made.manifests)
        if made.bills:
            result["sbom"] = [
                path
                for arch, bill in zip(made.archs, made.bills, strict=True)
                for path in bills.write_beside(out, bill, made.formats, arch if several else "")
            ]
        if made.provenances:
            from .attestations import provenance

            result["provenance"] = [
                path
                for arch, statement in zip(made.archs, made.provenances, strict=True)
                if (path := provenance.write_beside(out, statement, arch if several else ""))
            ]
        if made.vex:
            from .attestations import vex_statement

            result["vex"] = [
                path
                for arch, found in zip(made.archs, made.vex, strict=True)
                if (path := vex_statement.write_beside(out, found.document, arch if several else ""))
            ]
        return result

    return write


def other_referrers(made: PackedImage) -> list[Referrer]:
    """Return the artifacts about an image beside its manifests: bills of materials, provenances and VEX documents."""
    others = [*bills.referrers(made.bills, made.formats)]
    if made.provenances:
        from .attestations import provenance

        others += provenance.referrers(made)
    if made.vex:
        from .attestations import vex_statement

        others += vex_statement.referrers(made)
    return others


def _file_system(module: str, default: str | None = None) -> Callable[[PackedImage, Path, str | None], dict[str, Any]]:
    """Return the writer `write_MODULE` of `fpack.builders.export.MODULE`. default: its codec, else fpack's default."""

    def write(made: PackedImage, out: Path, codec: str | None) -> dict[str, Any]:
        from importlib import import_module

        from fpack.builders.streams import codecs

        record = codecs.codec(codec or default)
        found: Any = import_module(f"fpack.builders.export.{module}")
        (image,) = made.images
        refuse_base(image, f"packed as {module}")
        getattr(found, f"write_{module}")(image, made.trees, record, out)
        about = made.bundle.result(out)
        kept = ("file", "name", "tag", "platform", "digest", "image_id", "size_unpacked")
        return {
            **{key: about[key] for key in kept},
            "format": module,
            "size": out.stat().st_size if out.is_file() else None,
        }

    return write


def _package_name(module: str) -> Callable[[PackedImage, str | None], str]:
    def name(made: PackedImage, codec: str | None) -> str:
        from importlib import import_module

        found: Any = import_module(f"fpack.builders.export.{module}")
        text: str = found.file_name(made.bundle.name, made.bundle.tag, made.archs[0])
        return text

    return name


def full_name(made: PackedImage) -> str:
    """Return the name of the image in container engines."""
    from fpack.builders.oci.spec import full_name as full

    return f"{full(made.bundle.name)}:{made.bundle.tag}"


_FIRST_FREE_PORT = 1024
# Docker sets it by itself.
_LOW_PORTS = "--sysctl=net.ipv4.ip_unprivileged_port_start=0"


def run(made: PackedImage, engine: str, name: str = "") -> str:
    """Return the command that runs an image. name: in a registry; "" for its name in the engine."""
    ports = "".join(f" -p {shlex.quote(_published(p))}" for p in made.container.ports or made.bundle.ports)
    # A container's record may be hostile: text that is pasted into a shell must be plain arguments.
    given = [word for option in made.container.run_options for word in option.split()]
    words = [word for option in given for word in _for_caller(option, engine)]
    if engine == "podman" and not made.bundle.is_root and any(_is_low(port) for port in made.bundle.ports):
        words.append(_LOW_PORTS)
    arguments = "".join(f" {shlex.quote(printable(word))}" for word in words)
    terminal = " -it" if made.bundle.runs_shell else ""
    program = "" if made.bundle.runs else " PROGRAM"
    return f"{engine} run --rm{terminal}{ports}{arguments} {name or full_name(made)}{program}"


def _is_low(port: str) -> bool:
    """Return whether only root may open a port, such as 53/udp, that the image exposes."""
    return int(port.partition("/")[0]) < _FIRST_FREE_PORT


def _for_caller(option: str, engine: str) -> list[str]:
    """Return a word of `run`'s options as the user of this process can use it.

    `--userns=keep-id` stands for a container that runs as its caller. It exists only in rootless podman, which
    needs the user too if the image has one.
    """
    if option != "--userns=keep-id":
        return [option]
    user = f"--user={os.geteuid()}:{os.getegid()}"
    return [option, user] if engine == "podman" and os.geteuid() else [user]


def _published(port: str) -> str:
    """Return the `-p` value that publishes a port, such as `80` or `53/udp`, under the same number.

    Users other than root publish a port below 1024, which they must not use, as 8000 and the number.
    """
    number, slash, protocol = port.removesuffix("/tcp").partition("/")
    low = os.geteuid() != 0 and number.isdigit() and int(number) < _FIRST_FREE_PORT
    return f"{8000 + int(number) if low else number}:{number}{slash}{protocol}"


def _use_tar(made: PackedImage, path: str) -> list[str]:
    return [f"podman load -i {shlex.quote(path)}", run(made, "podman")]


def _use_layout(made: PackedImage, path: str) -> list[str]:
    """Return the commands that load and run an OCI layout.

    podman names a pulled image after the directory, and refuses a directory whose name is not a valid image name.
    """
    from fpack.builders.oci.spec import is_name

    source = shlex.quote(f"oci:{path}:{made.bundle.tag}")
    get = f"podman tag $(podman pull -q {source}) {full_name(made)}"
    if not is_name(path.lstrip("/")):
        get = f"skopeo copy {source} containers-storage:{full_name(made)}"
    return [get, run(made, "podman")]


def old_engines(made: PackedImage) -> str:
    """Return what to do for engines that cannot read the image's codec; "" if all can."""
    if not made.bundle.zstd:
        return ""
    return "Docker before version 23 and umoci cannot read zstd: pack with --compress gzip for them"


def _use_rootfs(made: PackedImage, path: str) -> list[str]:
    directory = shlex.quote(f"{made.container.file_name}-root")
    return [f"mkdir {directory} && sudo tar -xpf {shlex.quote(path)} --numeric-owner -C {directory}"]


def _use_squashfs(made: PackedImage, path: str) -> list[str]:
    return [f"sudo mount -o loop,ro {shlex.quote(path)} /mnt"]


def _squashfs_tool() -> object:
    from fpack.builders.export import squashfs

    return squashfs.find()


def _use_package(tool: str) -> Callable[[PackedImage, str], list[str]]:
    def use(made: PackedImage, path: str) -> list[str]:
        at = path if "/" in path else f"./{path}"
        return [f"sudo {tool} install {shlex.quote(at)}", package_name(made)]

    return use


def package_name(made: PackedImage) -> str:
    """Return the name of the command that a package of the image installs."""
    from fpack.builders.export.system_package import own_name

    return own_name(made.bundle.name)


# Their names and descriptions stand in cli/option_table.py.
FORMATS = {
    "tar": Format(_name("tar"), _oci(layout=False), _use_tar, oci=True),
    "oci-dir": Format(_name("oci"), _oci(layout=True), _use_layout, oci=True, directory=True),
    "rootfs-tar": Format(_rootfs_name, _file_system("rootfs", "none"), _use_rootfs),
    "squashfs": Format(_name("squashfs"), _file_system("squashfs"), _use_squashfs, check=_squashfs_tool),
    "deb": Format(_package_name("deb"), _file_system("deb"), _use_package("apt")),
    "rpm": Format(_package_name("rpm"), _file_system("rpm"), _use_package("dnf")),
}
DEFAULT = "tar"


def output_path(form: Format, made: PackedImage, output: Path | None, codec: str | None) -> Path:
    """Return the file or directory to write. In an existing directory the file gets its default name."""
    name = form.file_name(made, codec)
    if output is None:
        return Path(name)
    return output / name if not form.directory and output.is_dir() else output


def output_paths(form: Format, made: list[PackedImage], output: Path | None, codec: str | None) -> list[Path]:
    """Return the files of several images, in one directory, which is created. Raise UsageError if two names are
    equal.
    """
    if len(made) == 1:
        return [output_path(form, made[0], output, codec)]
    directory = output or Path()
    found = [directory / form.file_name(image, codec) for image in made]
    for path in found:
        if found.count(path) > 1:
            raise UsageError(f"Two images would be written to {path}", hint="pack them one by one, each with -o")
    if output is not None:
        try:
            output.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{output} cannot be a directory for several images", why=error.strerror or "", hint="choose another"
            ) from None
    return found


class SharedLayers(NamedTuple):
    """The layers that several images share.

    layers, size: of blobs in two or more images, each counted once. total: size of all blobs, each counted once. apart:
    size without sharing.
    """

    layers: int
    size: int
    total: int
    apart: int

    def as_json(self) -> dict[str, int]:
        """Return the object that `--json` prints."""
        return {
            "layers": self.layers,
            "size_compressed": self.size,
            "total_compressed": self.total,
            "apart_compressed": self.apart,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text output."""
        if not self.layers:
            yield "The images share no layer."
            return
        noun = "layer" if self.layers == 1 else "layers"
        yield (
            f"The images share {self.layers} {noun} of {megabytes(self.size)}:  "
            f"{megabytes(self.total)} in all instead of {megabytes(self.apart)}."
        )


def shared(made: list[PackedImage]) -> SharedLayers:
    """Compute the layers that the images share."""
    sizes: dict[str, int] = {}
    count: dict[str, int] = {}
    for image in made:
        for digest, size in image.bundle.layers().items():
            sizes[digest] = size
            count[digest] = count.get(digest, 0) + 1
    common = [digest for digest, times in count.items() if times > 1]
    return SharedLayers(
        len(common),
        sum(sizes[digest] for digest in common),
        sum(sizes.values()),
        sum(sizes[digest] * times for digest, times in count.items()),
    )
