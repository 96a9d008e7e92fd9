"""Choose the image of an index that a command reads."""

from __future__ import annotations

from fpack.cli.images import image_file
from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage
    from fpack.cli.images.image_file import StoredImage


def choose(remote: RemoteImage, platform: str | None, *, described: bool = True) -> StoredImage:
    """Return the image of a platform, such as linux/arm64; of this machine's if there are several and it is None.

    described: as of `image_file.choose`.
    """
    from fpack.cli.architecture import machine_arch

    if platform is None and len(remote.archive().images) > 2:  # an index, and more than one image
        own = machine_arch()
        archive = remote.archive()
        return image_file.choose(archive, remote, lambda image: image_file.arch(image) == own, own, described=described)
    return image_file.read(remote, platform, described=described)
