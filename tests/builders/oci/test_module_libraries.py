"""Built modules of an interpreter, and libraries that the interpreter has loaded before."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.builders.oci.image_fs import FsEntry, FsSource, ImageFs
from fpack.builders.oci.module_libraries import check_modules
from fpack.builders.payload import meta
from fpack.builders.payload.meta import LoadFacts
from fpack.builders.protocol import BuildError
from support.stores.slices import content, link

LIB, APP = f"fpack/store/{'1' * 32}-own-zlib", f"fpack/store/{'2' * 32}-app"
DEBIAN = "usr/lib/x86_64-linux-gnu"
MODULE = f"{APP}/lib/python3.13/site-packages/x.cpython-313-x86_64-linux-gnu.so"
SSL = "usr/lib/python3.13/lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so"
LIBRARIES = ("libz.so.1", "libexpat.so.1", "libssl.so.3", "libcrypto.so.3", "libown.so")
FACTS = {
    "usr/bin/python3.13": LoadFacts(62, ("libexpat.so.1", "libz.so.1"), interp="/lib64/ld.so"),
    f"{DEBIAN}/libz.so.1.3": LoadFacts(62, soname="libz.so.1"),
    SSL: LoadFacts(62, ("libssl.so.3", "libz.so.1")),
    f"{DEBIAN}/libssl.so.3": LoadFacts(62, ("libcrypto.so.3",), soname="libssl.so.3"),
}


def _check(*needed: str, path: str = MODULE, runpath: str = f"/{LIB}/lib", replaced: bool = False) -> list[str]:
    stored = {f"{place}/lib/{name}" for place in (LIB, APP) for name in LIBRARIES}
    source = FsSource("the store", "")
    entries = {name: FsEntry(meta.FILE, 0o644, "", source) for name in stored}
    for place in (LIB, APP):
        entries |= {f"{place}{below}": FsEntry(meta.DIRECTORY, 0o755, "", source) for below in ("", "/lib")}
    view = ImageFs(entries.get)
    files = {
        "usr/bin/python3": link("python3.13"), "usr/bin/python3.13": content(), SSL: content(),
        f"{DEBIAN}/libssl.so.3": content(), f"{DEBIAN}/libcrypto.so.3": content(), f"{DEBIAN}/libexpat.so.1": content(),
        f"{DEBIAN}/libz.so.1.3": content(),
        f"{DEBIAN}/libz.so.1": link(f"/{LIB}/lib/libz.so.1" if replaced else "libz.so.1.3"),
    }  # fmt: skip
    view.add(FsSource("the package zlib1g", ""), [entry._replace(path=name) for name, entry in files.items()])
    return check_modules(view, "amd64", [(path, LoadFacts(62, needed, runpath=(runpath,)))], list(files), FACTS.get)


@pytest.mark.parametrize("soname", ["libz.so.1", "libexpat.so.1"])
def test_a_library_that_the_interpreter_has_loaded_before_is_an_error(soname: str) -> None:
    with pytest.raises(BuildError, match=f"would not load {soname} of own-zlib, which it was linked with") as caught:
        _check("libc.so.6", soname)
    error = caught.value
    assert error.where == f"/{MODULE}" and f"python3 loads /{DEBIAN}/{soname}" in error.why
    assert "replace = { zlib1g = ... } in the container" in error.hint and error.field == "replace"


@pytest.mark.parametrize("soname", ["libssl.so.3", "libcrypto.so.3"])
def test_a_library_that_only_a_module_of_the_interpreter_loads_is_a_note(soname: str) -> None:
    (note,) = _check("libc.so.6", soname)
    assert f"/{MODULE} loads /{DEBIAN}/{soname}" in note and "imported _ssl before" in note and "for zlib1g," in note


@pytest.mark.parametrize(
    ("soname", "options"),
    [
        ("libz.so.1", {"replaced": True}),  # for all, so it is the same
        ("libown.so", {}),  # which the interpreter does not load: the module's own
        ("libz.so.1", {"runpath": "$ORIGIN/../.."}),  # which the module brings itself
        ("libz.so.1", {"path": f"{APP}/lib/x.node"}),  # of a module for an interpreter that the image lacks
        ("libz.so.1", {"path": f"{APP}/lib/libx.so.1"}),  # of a library that is no module
    ],
)
def test_other_libraries_are_not_told(soname: str, options: dict[str, Any]) -> None:
    assert _check(soname, **options) == []
