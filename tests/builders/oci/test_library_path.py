"""LD_LIBRARY_PATH of an image, and libraries that built programs were linked with."""

from __future__ import annotations

import pytest
from fpack.builders.oci.image_fs import FsEntry, FsSource, ImageFs
from fpack.builders.oci.library_path import check_library_path
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError
from support.stores.slices import content, link, program

LIB, APP = f"fpack/store/{'1' * 32}-z/lib", f"fpack/store/{'2' * 32}-app"
ITS_OWN = f"/{LIB}:$ORIGIN/../lib"


def _check(value: str, runpath: str = ITS_OWN) -> None:
    source = FsSource("a", "")
    own = {f"{LIB}/libz.so.1", f"{APP}/lib/libown.so"}
    stored = {name: FsEntry(meta.FILE, 0o644, "", source) for name in own}
    directories = {parent for name in own for parent in _parents(name)}
    view = ImageFs(
        lambda path: stored.get(path) or (FsEntry(meta.DIRECTORY, 0o755, "", source) if path in directories else None)
    )
    files = {"usr/lib/x/libz.so.1": content(), "usr/lib/y/libown.so": link("../x/libz.so.1"), "srv/other.so": content()}
    view.add(source, [entry._replace(path=path) for path, entry in files.items()])
    program_file = program("libz.so.1", "libown.so", "libc.so.6", runpath=tuple(runpath.split(":")))
    check_library_path(
        view, value, [program_file._replace(path=f"{APP}/bin/app"), TreeEntry("x", meta.DIRECTORY, 0o755)]
    )


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(2, len(parts))]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("/usr/lib/x", "/usr/lib/x/libz.so.1"),
        (f":/srv:/usr/lib/x:/{LIB}", "/usr/lib/x/libz.so.1"),
        ("/usr/lib/y", "libz"),
    ],
)
def test_another_library_is_an_error(value: str, found: str) -> None:
    with pytest.raises(BuildError, match="would not load /fpack/store/") as caught:
        _check(value)
    assert found in caught.value.why and caught.value.field == "env"


@pytest.mark.parametrize("value", ["", "/srv", f"/{LIB}:/usr/lib/x", "usr/lib/x", "/absent"])
def test_the_same_library_or_none_is_not(value: str) -> None:
    _check(value)


def test_a_program_without_a_store_path_in_its_runpath_takes_any() -> None:
    _check("/usr/lib/x", "/usr/lib/y")
