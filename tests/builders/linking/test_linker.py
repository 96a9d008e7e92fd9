"""Test which packages the linker includes, which it fetches, and what is an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fpack.builders.linking.linker import LinkResult, Reason, link
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BuildError
from support.stores import slices
from support.stores.slices import content, folder, library, names, program, script, table

LIB = "usr/lib/x86_64-linux-gnu"
LIBC = table(
    "libc6",
    {
        f"{LIB}/libc.so.6": library(soname="libc.so.6"),
        f"{LIB}/libgcc_s.so.1": library(),
        "usr/lib64/ld-linux-x86-64.so.2": library(),
    },
)


class World:
    """Packages by name with their declared `depends`. fetched: the requested names, by round."""

    def __init__(self, *tables: SliceTable, depends: Mapping[str, Sequence[str]]) -> None:
        self.tables = {each.package: each for each in tables}
        self.depends = {name: list(depends.get(name, ())) for name in self.tables}
        self.fetched: list[list[str]] = []

    def link(self, *seeds: str, wants: Sequence[str] = (), arch: str = "amd64") -> LinkResult:
        steps = link([self.tables[seed] for seed in seeds], self.depends, wants, arch)
        answer: Any = None
        while True:
            try:
                names = next(steps) if answer is None else steps.send(answer)
            except StopIteration as stop:
                return stop.value
            assert len(set(names)) == len(names)
            self.fetched.append(names)
            answer = [self.tables[name] for name in names]

    def asked(self) -> set[str]:
        return {name for names in self.fetched for name in names}


def test_a_program_and_its_libraries() -> None:
    world = World(
        table("app", {"usr/bin/app": program("libfoo.so.2", "libc.so.6")}),
        table(
            "libfoo2",
            {f"{LIB}/libfoo.so.2": slices.link("libfoo.so.2.1"), f"{LIB}/libfoo.so.2.1": library("libz.so.1")},
        ),
        table("zlib1g", {f"{LIB}/libz.so.1": library("libc.so.6")}),
        table("unused", {"usr/share/u": content("u")}),
        LIBC,
        depends={"app": ["libc6", "libfoo2", "unused"], "libfoo2": ["zlib1g", "libc6"], "zlib1g": ["libc6"]},
    )
    found = world.link("app")
    assert names(found) == {"app", "libfoo2", "zlib1g", "libc6"}
    assert "unused" not in world.asked()
    assert found.reasons["app"] == Reason("seed")
    assert found.reasons["libfoo2"] == Reason("needed", "app", "/usr/bin/app", "libfoo.so.2")
    assert found.reasons["zlib1g"] == Reason("needed", "libfoo2", f"/{LIB}/libfoo.so.2.1", "libz.so.1")
    assert found.missing == []


def test_first_guesses_are_asked_for_together() -> None:
    world = World(
        table("app", {"usr/bin/app": program("liba.so.1", "libb.so.1", "libc.so.6")}),
        table("liba1", {f"{LIB}/liba.so.1": library()}),
        table("libb1", {f"{LIB}/libb.so.1": library()}),
        LIBC,
        depends={"app": ["liba1", "libb1", "libc6"]},
    )
    world.link("app")
    assert world.fetched == [["libc6", "liba1", "libb1"]]


@pytest.mark.parametrize(
    ("soname", "package"),
    [
        ("libxml2.so.2", "libxml2"),
        ("libssl.so.3", "libssl3t64"),
        ("libcrypto.so.3", "libssl3t64"),
        ("libgcc_s.so.1", "libgcc-s1"),
        ("libstdc++.so.6", "libstdc++6"),
        ("libicuuc.so.76", "libicu76"),
        ("libbz2.so.1.0", "libbz2-1.0"),
        ("libdb-5.3.so", "libdb5.3t64"),
        ("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
        ("libLLVM.so.19.1", "libllvm19"),
        ("libX11.so.6", "libx11-6"),
        ("libz.so.1", "zlib1g"),
        ("libpthread.so.0", "libc6"),
    ],
)
def test_names_that_policy_derives_are_right_at_once(soname: str, package: str) -> None:
    others = ["libxml-parser", "libssl-helper", "libgcc-dev", "libicu-le0", "libkrb5-3", "libz3-4", "libcrypt1", "perl"]
    world = World(
        table("app", {"usr/lib/app/plugin.so": library(soname)}),
        table(package, {f"{LIB}/{soname}": library()}),
        *[table(name, {f"usr/share/{name}": content(name)}) for name in others],
        depends={"app": [*others, package]},
    )
    assert names(world.link("app")) == {"app", package}
    assert world.asked() == {package}


def test_a_library_in_another_of_the_direct_dependencies() -> None:
    world = World(
        table("app", {"usr/bin/app": program("libodd.so.9")}),
        table("strange-name", {f"{LIB}/libodd.so.9": library()}),
        table("elsewhere", {}),
        LIBC,
        depends={"app": ["elsewhere", "strange-name", "libc6"]},
    )
    assert "strange-name" in names(world.link("app"))


def test_a_library_far_away_in_the_closure() -> None:
    world = World(
        table("app", {"usr/bin/app": program("libodd.so.9")}),
        table("near", {"n": content("n")}),
        table("far", {f"{LIB}/libodd.so.9": library()}),
        LIBC,
        depends={"app": ["near", "libc6"], "near": ["far"]},
    )
    assert "far" in names(world.link("app"))
    assert "near" not in names(world.link("app"))


def test_what_is_in_already_comes_first() -> None:
    world = World(
        table("app", {"usr/bin/app": program("libfoo.so.1")}),
        table("bundle", {f"{LIB}/libfoo.so.1": library()}),
        table("libfoo1", {f"{LIB}/libfoo.so.1": library()}),
        LIBC,
        depends={"app": ["libfoo1", "libc6"]},
    )
    assert "libfoo1" not in names(world.link("app", "bundle"))


def test_two_far_providers_are_an_error() -> None:
    world = World(
        table("app", {"usr/bin/app": program("libodd.so.9")}),
        table("near", {}),
        table("one", {f"{LIB}/libodd.so.9": library()}),
        table("two", {f"{LIB}/libodd.so.9": library()}),
        LIBC,
        depends={"app": ["near", "libc6"], "near": ["one", "two"]},
    )
    with pytest.raises(BuildError) as caught:
        world.link("app")
    assert "one and two" in caught.value.why
    assert "libodd.so.9" in caught.value.what


def test_two_providers_go_to_the_dependents_own_dependency() -> None:
    world = World(
        table("app", {"usr/bin/app": program("libodd.so.9")}),
        table("near", {}),
        table("one", {f"{LIB}/libodd.so.9": library()}),
        table("two", {f"{LIB}/libodd.so.9": library()}),
        LIBC,
        depends={"app": ["near", "two", "libc6"], "near": ["one"]},
    )
    assert {"one", "two"} & names(world.link("app")) == {"two"}


def test_runpath_and_origin() -> None:
    world = World(
        table("app", {"usr/lib/app/bin/app": program("libpriv.so", runpath=("$ORIGIN/../lib",))}),
        table("app-data", {"usr/lib/app/lib/libpriv.so": library()}),
        table("libpriv", {"opt/libpriv.so": library()}),
        LIBC,
        depends={"app": ["libpriv", "app-data", "libc6"], "libpriv": []},
    )
    found = world.link("app")
    assert names(found) == {"app", "app-data", "libc6"}
    assert found.missing == []


def test_a_private_library_of_the_package_itself() -> None:
    files = {"usr/lib/jvm/lib/libjava.so": library("libjvm.so"), "usr/lib/jvm/lib/server/libjvm.so": library()}
    found = World(table("jre", files), depends={}).link("jre")
    assert found.missing == []


def test_a_private_library_of_a_direct_dependency() -> None:
    world = World(
        table("jre", {"usr/lib/jvm/lib/libawt.so": library("libjvm.so")}),
        table("headless", {"usr/lib/jvm/lib/server/libjvm.so": library("libc.so.6")}),
        table("data", {}),
        LIBC,
        depends={"jre": ["data", "headless"], "headless": ["libc6"]},
    )
    found = world.link("jre")
    assert names(found) == {"jre", "headless", "libc6"}
    assert found.missing == []


def test_a_library_where_the_loader_looks_comes_before_a_private_one() -> None:
    world = World(
        table("app", {"usr/lib/app/plugin.so": library("libz.so.1")}),
        table("bundle", {"usr/lib/bundle/libz.so.1": library()}),
        table("zlib1g", {f"{LIB}/libz.so.1": library()}),
        depends={"app": ["bundle", "zlib1g"]},
    )
    assert names(world.link("app", "bundle")) == {"app", "bundle", "zlib1g"}


def test_directories_of_ld_so_conf() -> None:
    world = World(
        table("app", {"usr/bin/app": program("libfake-0.so")}),
        table("libfake", {"usr/lib/fake/libfake-0.so": library()}, search=("usr/lib/fake",)),
        LIBC,
        depends={"app": ["helper", "libc6"], "helper": ["libfake"]},
    )
    world.tables["helper"] = table("helper", {})
    world.depends["helper"] = ["libfake"]
    assert "libfake" in names(world.link("app"))


def test_a_library_that_alternatives_provide() -> None:
    place = f"{LIB}/blas/libblas.so.3"
    offer = [[f"/{LIB}/libblas.so.3", "libblas.so.3", f"/{place}", 10, []]]
    world = World(
        table("app", {"usr/bin/app": program("libblas.so.3")}),
        table("libblas3", {place: library()}, alternatives=offer),
        LIBC,
        depends={"app": ["libblas3", "libc6"]},
    )
    assert "libblas3" in names(world.link("app"))


def test_a_library_for_another_machine_does_not_do() -> None:
    world = World(
        table("app", {"usr/bin/app": program("liba.so.1")}),
        table("liba1", {f"{LIB}/liba.so.1": library(machine=3)}),
        LIBC,
        depends={"app": ["liba1", "libc6"]},
    )
    with pytest.raises(BuildError, match=r"liba\.so\.1"):
        world.link("app")


@pytest.mark.parametrize(
    "files",
    [
        {"usr/lib/app/testdata/x": program("libno.so")},
        {"usr/share/doc/app/x": program("libno.so")},
        {"usr/lib/app/examples/x": program("libno.so")},
        {"usr/lib/debug/x": program("libno.so")},
        {"usr/lib/app/x": library("libno.so", machine=183)},
        {"usr/lib/app/x": script("/usr/bin/no", mode=0o644)},
    ],
)
def test_files_that_load_nothing(files: dict[str, Any]) -> None:
    found = World(table("app", files), depends={}).link("app")
    assert found.missing == []


def test_a_program_without_its_library_is_an_error_with_the_chain() -> None:
    world = World(
        table("app", {"usr/bin/app": program("liba.so.1")}),
        table("liba1", {f"{LIB}/liba.so.1": library("libgone.so.5")}),
        LIBC,
        depends={"app": ["liba1", "libc6"]},
    )
    with pytest.raises(BuildError) as caught:
        world.link("app")
    assert f"/{LIB}/liba.so.1 needs libgone.so.5" in caught.value.what
    assert caught.value.where == "liba1"
    assert caught.value.why == "app; /usr/bin/app of app needs liba.so.1 from liba1"
    assert "drop" in caught.value.hint


def test_a_program_without_its_loader_is_an_error() -> None:
    with pytest.raises(BuildError, match="is started by /lib64/ld-linux"):
        World(table("app", {"usr/bin/app": program()}), depends={}).link("app")


def test_a_plugin_without_its_library_is_recorded() -> None:
    world = World(
        table("app", {"usr/lib/app/jit.so": library("libLLVM.so.19.1"), "usr/bin/app": program("libc.so.6")}),
        LIBC,
        table("other", {}),
        depends={"app": ["libc6"], "libc6": ["other"]},
    )
    found = world.link("app")
    assert names(found) == {"app", "libc6"}
    assert found.missing == [("app", "/usr/lib/app/jit.so", "needed", "libLLVM.so.19.1")]
    assert "other" not in world.asked(), "the whole closure is not fetched for what may be optional"


def test_a_library_that_a_program_reaches_is_no_plugin() -> None:
    """A program loads the private library, so what the library needs is not optional."""
    files = {"usr/bin/app": program("libpriv.so"), "usr/lib/app/libpriv.so": library("libgone.so.1")}
    world = World(table("app", files), LIBC, depends={"app": ["libc6"]})
    with pytest.raises(BuildError, match=r"libgone\.so\.1"):
        world.link("app")


def test_scripts_and_env() -> None:
    world = World(
        table("app", {"usr/bin/a": script("/bin/sh"), "usr/bin/b": script("/usr/bin/env", "python3")}),
        table("dash", {"usr/bin/dash": program("libc.so.6"), "usr/bin/sh": slices.link("dash")}),
        table("coreutils", {"usr/bin/env": program("libc.so.6")}),
        table("python3-minimal", {"usr/bin/python3": slices.link("python3.13")}),
        table("python3.13-minimal", {"usr/bin/python3.13": program("libc.so.6")}),
        LIBC,
        depends={
            "app": ["python3-minimal"],
            "python3-minimal": ["python3.13-minimal"],
            "python3.13-minimal": ["libc6"],
            "dash": ["libc6"],
            "coreutils": ["libc6"],
        },
    )
    found = world.link("app")
    assert names(found) == set(world.tables)
    assert found.reasons["dash"] == Reason("script", "app", "/usr/bin/a", "/bin/sh")
    assert found.reasons["python3.13-minimal"].kind == "link"
    assert found.missing == []


def test_a_script_without_interpreter_is_recorded() -> None:
    found = World(table("app", {"usr/share/app/helper": script("/usr/bin/perl")}), depends={}).link("app")
    assert found.missing == [("app", "/usr/share/app/helper", "script", "/usr/bin/perl")]


def test_a_link_into_another_package() -> None:
    world = World(
        table("redis-server", {"usr/bin/redis-server": slices.link("redis-check-rdb")}),
        table("redis-tools", {"usr/bin/redis-check-rdb": program()}),
        LIBC,
        depends={"redis-server": ["redis-tools"], "redis-tools": ["libc6"]},
    )
    found = world.link("redis-server")
    assert found.reasons["redis-tools"] == Reason(
        "link", "redis-server", "/usr/bin/redis-server", "/usr/bin/redis-check-rdb"
    )


def test_a_link_to_a_directory_of_another_package() -> None:
    world = World(
        table("libx1", {"usr/share/doc/libx1": slices.link("x-base")}),
        table("x-base", {"usr/share/doc/x-base/copyright": content("c")}),
        depends={"libx1": ["x-base"]},
    )
    assert names(world.link("libx1")) == {"libx1", "x-base"}


@pytest.mark.parametrize("target", ["/etc/alternatives/x", "/dev/null", "/proc/mounts", "/run/x", "/var/lib/x"])
def test_links_out_of_the_packages_lead_nowhere(target: str) -> None:
    world = World(table("app", {"usr/share/x": slices.link(target)}), table("x", {}), depends={"app": ["x"]})
    assert world.link("app").missing == []
    assert world.asked() == set()


def test_a_dangling_program_is_recorded() -> None:
    found = World(table("app", {"usr/bin/app": slices.link("gone")}), depends={}).link("app")
    assert found.missing == [("app", "/usr/bin/app", "link", "/usr/bin/gone")]


def test_wants() -> None:
    world = World(
        table("app", {"a": content("a")}),
        table("near", {}),
        table("libnss1", {f"{LIB}/libnss_x.so.2": library()}),
        table("zones", {"usr/share/zoneinfo/UTC": content("z"), "usr/share/zoneinfo": folder()}),
        depends={"app": ["near"], "near": ["libnss1"]},
    )
    found = world.link("app", wants=["libnss_x.so.2", "/usr/share/zoneinfo"])
    assert {"libnss1", "zones"} < names(found)
    assert found.reasons["zones"] == Reason("asked", None, "", "/usr/share/zoneinfo")


@pytest.mark.parametrize("want", ["libgone.so.1", "/usr/bin/gone"])
def test_a_want_that_nobody_has(want: str) -> None:
    world = World(table("app", {"a": content("a")}), table("b", {}), depends={"app": ["b"]})
    with pytest.raises(BuildError) as caught:
        world.link("app", wants=[want])
    assert want in caught.value.what


def test_what_a_wanted_library_needs_is_not_optional() -> None:
    world = World(
        table("app", {"a": content("a")}),
        table("libx1", {f"{LIB}/libx.so.1": library("libgone.so.1")}),
        depends={"app": ["libx1"]},
    )
    with pytest.raises(BuildError, match=r"libgone\.so\.1"):
        world.link("app", wants=["libx.so.1"])


def test_libc_brings_the_library_that_it_opens_itself() -> None:
    world = World(
        table("app", {"usr/bin/app": program("libc.so.6")}),
        table("libc6", {path: entry for path, entry in LIBC.entries.items() if "gcc" not in path}),
        table("libgcc-s1", {f"{LIB}/libgcc_s.so.1": library("libc.so.6")}),
        depends={"app": ["libc6"], "libc6": ["libgcc-s1"], "libgcc-s1": ["libc6"]},
    )
    assert "libgcc-s1" in names(world.link("app"))


def test_cycles_end() -> None:
    world = World(
        table("a", {f"{LIB}/liba.so.1": library("libb.so.1")}),
        table("libb1", {f"{LIB}/libb.so.1": library("liba.so.1")}),
        depends={"a": ["libb1"], "libb1": ["a"]},
    )
    assert names(world.link("a")) == {"a", "libb1"}


def test_the_result_does_not_depend_on_the_order_of_packages() -> None:
    def world(turned: bool) -> World:
        tables = [
            table("app", {"usr/bin/app": program("liba.so.1", "libb.so.1", "libc.so.6")}),
            table("liba1", {f"{LIB}/liba.so.1": library("libb.so.1")}),
            table("libb1", {f"{LIB}/libb.so.1": library("libc.so.6")}),
            LIBC,
        ]
        depends = {"app": ["liba1", "libb1", "libc6"], "liba1": ["libb1"], "libb1": ["libc6"]}
        return World(*(tables[::-1] if turned else tables), depends=depends)

    one, two = world(False).link("app"), world(True).link("app")
    assert one.reasons == two.reasons
    assert [t.package for t in one.tables] == [t.package for t in two.tables]
