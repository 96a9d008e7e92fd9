"""Roots: what is generated, what is recorded, and how a linked root asks for its candidates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.builders.kinds.files import FilesBuilder
from fpack.builders.protocol import BuildError
from fpack.store.path import StorePath
from support.archives.debs import file, folder, symlink
from support.stores.elves import elf
from support.stores.fake_roots import Roots
from support.stores.task import FakeStore

LIB = "./usr/lib/x86_64-linux-gnu"
LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBC = [
    file(f"{LIB}/libc.so.6", elf(soname="libc.so.6")),
    file(f"{LIB}/libgcc_s.so.1", elf(soname="libgcc_s.so.1")),
    file("./usr/lib64/ld-linux-x86-64.so.2", elf(soname="ld-linux-x86-64.so.2"), 0o755),
]


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(FakeStore(tmp_path / "root"))


def test_a_declared_root(roots: Roots) -> None:
    roots.package("app", file("./usr/bin/app", elf("libc.so.6", interp=LOADER), 0o755), seed=True, depends="libx libc6")
    roots.package("libx", file("./usr/share/x", "x"), depends="libc6")
    roots.package("libc6", *LIBC)
    made = roots.build()
    assert made.reasons() == {
        "app": (None, "seed", "", ""),
        "libx": ("app", "depends", "", "libx"),
        "libc6": ("app", "depends", "", "libc6"),
    }
    assert {each["version"] for each in made.extra["slices"]} == {"1.0-1"}
    assert all(each["path"].startswith("/fpack/store/") for each in made.extra["slices"])
    assert made.extra["programs"]["app"] == {"program": "/usr/bin/app", "executables": ["/usr/bin/app"]}


def test_a_package_of_data_names_the_package_that_uses_it(roots: Roots) -> None:
    roots.package("app", file("./usr/bin/app", "x", 0o755), seed=True)
    roots.package("certificates", file("./usr/share/c", "x"), seed=True)
    roots.used["certificates"] = [{"by": "app", "why": "certificates"}]
    assert roots.build().reasons()["certificates"] == ("app", "data", "", "certificates")


def test_a_linked_root_takes_the_data_that_included_packages_depend_on(roots: Roots) -> None:
    roots.package("app", file("./usr/bin/app", elf("libc.so.6", interp=LOADER), 0o755), seed=True, depends="libc6 libx")
    roots.package("libc6", *LIBC, depends="x-data modules tools other")
    roots.package("libx", file(f"{LIB}/libx.so.1", elf(soname="libx.so.1")), depends="x-more")
    roots.package("x-data", file("./etc/x/policy.xml", "x"), depends="fonts", data=True)
    roots.package("fonts", file("./usr/share/fonts/a.ttf", "x"), data=True)
    roots.package("modules", file("./usr/lib/python3/a.py", "x"), data=True)
    roots.package("tools", file("./usr/bin/tool", "x", 0o755), data=True)
    roots.package("x-more", file("./usr/share/more", "x"), data=True)
    roots.package("other", file("./usr/share/other", "x"))
    made = roots.build("linked")
    assert made.reasons() == {
        "app": (None, "seed", "", ""),
        "libc6": ("app", "interp", "/usr/bin/app", LOADER),
        "x-data": ("libc6", "data", "", "its data"),
        "fonts": ("x-data", "data", "", "its data"),
    }
    assert made.extra["omitted"] == [["libx", "app"]]
    assert made.extra["looked"] == ["modules", "tools"]


def test_the_references_are_the_slices(tmp_path: Path) -> None:
    store = FakeStore(tmp_path / "root")
    roots = Roots(store)
    roots.package("a", file("./a"), seed=True)
    roots.package("b", file("./b"), seed=True)
    made = roots.build()
    assert made.path != roots.build(alternatives={}, release="bookworm").path
    assert sorted(each["path"] for each in made.extra["slices"]) == sorted(
        {str(roots.slice("a")), str(roots.slice("b"))}
    )


def test_what_is_generated_for_a_bare_root(roots: Roots) -> None:
    roots.package("libc6", *LIBC, file("./usr/bin/x", "x", 0o755), seed=True)
    made = roots.build()
    for name in ("bin", "lib", "lib64"):
        assert os.readlink(made.data / name) == f"usr/{name}"
    assert not (made.data / "sbin").is_symlink()
    assert not (made.data / "lib32").is_symlink()
    assert (made.entries["tmp"].mode, made.entries["var/tmp"].mode, made.entries["root"].mode) == (
        0o1777,
        0o1777,
        0o700,
    )
    assert {"dev", "proc", "sys", "run"} < set(made.entries)
    assert os.readlink(made.data / "var/run") == "/run"
    assert os.readlink(made.data / "var/lock") == "/run/lock"
    assert made.entries["run/lock"].mode == 0o1777
    assert "127.0.0.1 localhost" in (made.data / "etc/hosts").read_text()
    assert "hosts: files dns" in (made.data / "etc/nsswitch.conf").read_text()
    assert (made.data / "etc/passwd").read_text().startswith("root:*:0:0:root:/root:/bin/sh\n")
    assert "ID=debian" in (made.data / "usr/lib/os-release").read_text()
    assert 'VERSION_ID="13"' in (made.data / "usr/lib/os-release").read_text()
    assert (made.data / "etc/debian_version").read_text() == "13\n"
    assert not (made.data / "etc/shadow").exists()


def test_what_packages_ship_is_not_generated(roots: Roots) -> None:
    roots.package(
        "base-files",
        file("./etc/passwd", "own"),
        file("./usr/lib/os-release", "own"),
        symlink("./etc/os-release", "../usr/lib/os-release"),
        file("./etc/debian_version", "13.1\n"),
        file("./etc/nsswitch.conf", "own"),
        symlink("./bin", "usr/bin"),
        file("./usr/bin/x", "x"),
        folder("./tmp", 0o1777),
        *LIBC,
        seed=True,
    )
    made = roots.build()
    shipped = {
        "etc/passwd",
        "usr/lib/os-release",
        "etc/os-release",
        "etc/debian_version",
        "etc/nsswitch.conf",
        "bin",
        "tmp",
    }
    assert not shipped & set(made.entries)


def test_run_takes_the_place_of_empty_directories(roots: Roots) -> None:
    roots.package("base-files", folder("./var/run"), folder("./var/lock", 0o1777), seed=True)
    made = roots.build()
    assert made.extra["excluded"] == [
        ["base-files", b"var/lock", "generated", "run"],
        ["base-files", b"var/run", "generated", "run"],
    ]
    assert made.entries["var/run"].target == "/run"


def test_a_directory_in_var_run_keeps_it(roots: Roots) -> None:
    roots.package("old", folder("./var/run/old"), seed=True)
    made = roots.build()
    assert "var/run" not in made.entries


def test_users_of_packages_and_fixed_ones(roots: Roots) -> None:
    script = "adduser --system --group --home /var/lib/redis redis\n"
    roots.package("redis", file("./f"), seed=True, scripts={"postinst": script})
    roots.package("other", file("./usr/lib/sysusers.d/o.conf", "u aaa -\n"), seed=True)
    fixed = {
        "name": "postgres", "uid": 999, "gid": 999, "group": "postgres",
        "home": "/var/lib/postgresql", "shell": "/bin/bash", "comment": "",
    }  # fmt: skip
    made = roots.build(users=[fixed])
    lines = (made.data / "etc/passwd").read_text().splitlines()
    assert "postgres:*:999:999::/var/lib/postgresql:/bin/bash" in lines
    assert "aaa:*:900:900::/:/usr/sbin/nologin" in lines
    assert "redis:*:901:901::/var/lib/redis:/usr/sbin/nologin" in lines
    by_name = {user["name"]: user for user in made.extra["users"]}
    assert (by_name["redis"]["uid"], by_name["redis"]["group"]) == (901, "redis")
    assert {"name": "redis", "gid": 901, "members": []} in made.extra["groups"]


def test_roots_shell_is_bash_where_there_is_one(roots: Roots) -> None:
    roots.package("bash", file("./bin/bash", "bash", 0o755), seed=True)
    assert (roots.build().data / "etc/passwd").read_text().startswith("root:*:0:0:root:/root:/bin/bash\n")


def test_alternatives(roots: Roots) -> None:
    call = "update-alternatives --install /usr/bin/awk awk /usr/bin/{} {}\n"
    roots.package("mawk", file("./usr/bin/mawk", "m", 0o755), seed=True, scripts={"postinst": call.format("mawk", 5)})
    roots.package("gawk", file("./usr/bin/gawk", "g", 0o755), seed=True, scripts={"postinst": call.format("gawk", 10)})
    assert os.readlink(roots.build().data / "usr/bin/awk") == "/usr/bin/gawk"
    chosen = roots.build(alternatives={"/usr/bin/awk": "/usr/bin/mawk"})
    assert os.readlink(chosen.data / "usr/bin/awk") == "/usr/bin/mawk"
    with pytest.raises(BuildError, match="busybox"):
        roots.build(alternatives={"/usr/bin/awk": "/usr/bin/busybox"})


def test_a_file_is_stronger_than_an_alternative_unless_it_is_asked_for(roots: Roots) -> None:
    call = "update-alternatives --install /usr/bin/which which /usr/bin/which.deb 10\n"
    items = [file("./usr/bin/which", "w", 0o755), file("./usr/bin/which.deb", "d", 0o755)]
    roots.package("which", *items, seed=True, scripts={"postinst": call})
    assert "usr/bin/which" not in roots.build().entries
    made = roots.build(alternatives={"/usr/bin/which": "/usr/bin/which.deb"})
    assert made.entries["usr/bin/which"].target == "/usr/bin/which.deb"
    assert ["which", b"usr/bin/which", "generated", "alternatives"] in made.extra["excluded"]
    # Of two packages that have the same file neither one's is in the way.
    roots.package("twin", items[0], seed=True)
    made = roots.build(alternatives={"/usr/bin/which": "/usr/bin/which.deb"})
    assert ["twin", b"usr/bin/which", "generated", "alternatives"] in made.extra["excluded"]
    assert ["which", b"usr/bin/which", "generated", "alternatives"] in made.extra["excluded"]


def test_each_generated_entry_has_its_rule(roots: Roots) -> None:
    call = "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5\n"
    roots.package("base-files", folder("./var/run"), seed=True)
    roots.package("mawk", file("./usr/bin/mawk", "m", 0o755), seed=True, scripts={"postinst": call})
    roots.package("ca", file("./usr/share/ca-certificates/A.crt", "A"), seed=True)
    roots.package("libc6", file(f"{LIB}/libc.so.6", elf()), seed=True)
    made = roots.build()
    rules = {path.decode(): rule for path, rule in made.extra["generated"]}
    assert rules.keys() == made.entries.keys()
    assert {rules[path] for path in ("etc/passwd", "etc/group")} == {"accounts"}
    assert {rules[path] for path in ("bin", "lib")} == {"merged-usr"}
    assert {rules[path] for path in ("etc/hosts", "etc/nsswitch.conf")} == {"name-services"}
    assert {rules[path] for path in ("tmp", "root", "run/lock")} == {"directories"}
    assert rules["var/run"] == "run" and rules["usr/bin/awk"] == "alternatives"
    assert rules["etc/ssl/certs/ca-certificates.crt"] == "certificates" and rules["etc/debian_version"] == "release"


def test_the_certificate_bundle(roots: Roots, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    roots.package(
        "ca-certificates",
        file("./usr/share/ca-certificates/mozilla/B.crt", "B\n"),
        file("./usr/share/ca-certificates/mozilla/A.crt", "A"),
        file("./usr/share/ca-certificates/README", "no"),
        symlink("./usr/share/ca-certificates/evil.crt", str(secret)),
        seed=True,
    )
    roots.package("libssl3t64", file(f"{LIB}/libcrypto.so.3", elf()), seed=True)
    made = roots.build()
    assert (made.data / "etc/ssl/certs/ca-certificates.crt").read_text() == "A\nB\n"
    assert made.entries["etc/ssl/certs/ca-certificates.crt"].size == 4
    assert made.entries["usr/lib/ssl/cert.pem"].target == "/etc/ssl/certs/ca-certificates.crt"


def test_java_gets_its_own_form_of_the_certificates(roots: Roots) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"
    roots.package(
        "ca-certificates",
        file("./usr/share/ca-certificates/mozilla/A_Root.crt", certificate),
        file("./usr/share/ca-certificates/mozilla/Huge.crt", certificate + "x" * 100_000),
        seed=True,
    )
    assert "etc/ssl/certs/java/cacerts" not in roots.build().entries
    roots.package("jre", symlink("./usr/lib/jvm/lib/security/cacerts", "/etc/ssl/certs/java/cacerts"), seed=True)
    made = roots.build()
    store = (made.data / "etc/ssl/certs/java/cacerts").read_bytes()
    assert store.startswith(bytes.fromhex("feedfeed 00000002 00000001")) and b"debian:a_root.crt" in store
    assert made.entries["etc/ssl/certs/java/cacerts"].size == len(store)


def test_replaced_files_are_excluded(roots: Roots) -> None:
    roots.package("new", file("./etc/f", "new"), seed=True, Replaces="old")
    roots.package("old", file("./etc/f", "old"), seed=True)
    assert ["old", b"etc/f", "replaced", "new"] in roots.build().extra["excluded"]


def test_a_conflict_is_an_error(roots: Roots) -> None:
    roots.package("one", file("./etc/f", "1"), seed=True)
    roots.package("two", file("./etc/f", "2"), seed=True)
    with pytest.raises(BuildError, match=r"one.*two|two.*one"):
        roots.build()


def test_directories_on_which_slices_differ_are_settled(roots: Roots) -> None:
    roots.package("one", folder("./var/mail", 0o2775, gid=8), seed=True)
    roots.package("two", file("./var/mail/x", "x"), seed=True)
    entry = roots.build().entries["var/mail"]
    assert (entry.mode, entry.gid) == (0o2775, 8)


def test_a_generated_file_keeps_the_mode_of_its_directory(roots: Roots) -> None:
    roots.package("one", folder("./etc/ssl", 0o700), file("./etc/ssl/x", "x"), seed=True)
    roots.package("ca-certificates", file("./usr/share/ca-certificates/A.crt", "A\n"), seed=True)
    assert roots.build().entries["etc/ssl"].mode == 0o700


def test_nothing_is_generated_below_a_link(roots: Roots) -> None:
    roots.package("odd", symlink("./etc/ssl", "/usr/share/ssl"), seed=True)
    roots.package("ca-certificates", file("./usr/share/ca-certificates/A.crt", "A\n"), seed=True)
    assert "etc/ssl/certs/ca-certificates.crt" not in roots.build().entries


def test_a_linked_root(roots: Roots) -> None:
    program = elf("libfoo.so.1", "libc.so.6", interp=LOADER)
    roots.package("app", file("./usr/bin/app", program, 0o755), seed=True, depends="libfoo1 unused libc6")
    roots.package("libfoo1", file(f"{LIB}/libfoo.so.1", elf("libbar.so.2", soname="libfoo.so.1")), depends="libbar2")
    roots.package("libbar2", file(f"{LIB}/libbar.so.2", elf("libc.so.6")), depends="libc6")
    roots.package("unused", file("./usr/share/unused", "x"))
    roots.package("libc6", *LIBC)
    made = roots.build("linked")
    assert made.reasons() == {
        "app": (None, "seed", "", ""),
        "libc6": ("app", "interp", "/usr/bin/app", LOADER),
        "libfoo1": ("app", "needed", "/usr/bin/app", "libfoo.so.1"),
        "libbar2": ("libfoo1", "needed", "/usr/lib/x86_64-linux-gnu/libfoo.so.1", "libbar.so.2"),
    }
    assert "unused" not in roots.made
    assert made.needs == [["libc6", "libfoo1"], ["libbar2"]]
    assert made.lines == []


def test_the_scripts_of_the_container_bring_what_they_call(roots: Roots) -> None:
    files = {
        "usr/local/bin/start": "#!/bin/sh\nls /tmp | sed s/a/b/\nfind /usr\n",
        "etc/app.conf": "grep\n",
        "srv/module.py": "import ssl\n",
        "usr/bin/compiled": elf("libabsent.so.1", interp=LOADER),
    }
    entries = []
    for path, text in files.items():
        source = roots.store.add_file("source", text.encode() if isinstance(text, str) else text)
        entries.append({"path": f"/{path}", "kind": "file", "mode": 0o755, "uid": 0, "gid": 0, "source": str(source)})
    own = roots.store.build(FilesBuilder(), "files", {"entries": entries})
    roots.package("app", file("./usr/share/app", "x"), seed=True)
    for package, program in (
        ("coreutils", "ls"),
        ("sed", "sed"),
        ("findutils", "find"),
        ("grep", "grep"),
        ("dash", "sh"),
    ):
        roots.package(package, file(f"./usr/bin/{program}", "x", 0o755))
    plain = roots.build("linked", interpreted=True)
    assert plain.reasons().keys() == {"app"}
    made = roots.build("linked", interpreted=True, files=str(own))
    assert made.reasons().keys() == {"app", "coreutils", "sed", "findutils", "dash"}
    assert made.reasons()["sed"] == (None, "calls", "/usr/local/bin/start", "sed")


def test_a_linked_root_says_what_is_missing(roots: Roots) -> None:
    items = [
        file("./usr/bin/app", elf("libc.so.6", interp=LOADER), 0o755),
        file("./usr/lib/app/jit.so", elf("libLLVM.so.19")),
    ]
    scripts = [
        file("./usr/share/app/a", "#!/usr/bin/perl\n", 0o755),
        file("./usr/share/app/b", "#!/usr/bin/perl\n", 0o755),
    ]
    roots.package("app", *items, *scripts, seed=True, depends="libc6")
    roots.package("libc6", *LIBC)
    made = roots.build("linked")
    assert made.extra["missing"] == [
        ["app", "/usr/lib/app/jit.so", "needed", "libLLVM.so.19"],
        ["app", "/usr/share/app/a", "script", "/usr/bin/perl"],
        ["app", "/usr/share/app/b", "script", "/usr/bin/perl"],
    ]
    assert len(made.lines) == 2
    assert "libLLVM.so.19" in made.lines[0]
    assert "1 more" in made.lines[1]


def test_a_linked_root_that_cannot_be(roots: Roots) -> None:
    roots.package("app", file("./usr/bin/app", elf("libgone.so.1", interp=LOADER), 0o755), seed=True, depends="libc6")
    roots.package("libc6", *LIBC)
    with pytest.raises(BuildError, match=r"libgone\.so\.1"):
        roots.build("linked")


def test_wants(roots: Roots) -> None:
    roots.package("app", file("./usr/share/app", "x"), seed=True)
    roots.package("tzdata", file("./usr/share/zoneinfo/UTC", "z"))
    assert roots.build("linked", wants=["/usr/share/zoneinfo/UTC"]).reasons()["tzdata"][1] == "asked"


def test_the_directories_of_ld_so_conf_are_searched(roots: Roots) -> None:
    roots.package(
        "app", file("./usr/bin/app", elf("libfake.so.0", interp=LOADER), 0o755), seed=True, depends="fake libc6"
    )
    conf = file("./etc/ld.so.conf.d/fake.conf", "# comment\n/usr/lib/fake\n")
    roots.package("fake", conf, file("./usr/lib/fake/libfake.so.0", elf()))
    roots.package("libc6", *LIBC)
    made = roots.build("linked")
    assert "fake" in made.reasons()
    assert b"/usr/lib/fake/libfake.so.0\0" in (made.data / "etc/ld.so.cache").read_bytes()


def test_no_cache_where_the_loader_finds_everything(roots: Roots) -> None:
    roots.package(
        "libc6", *LIBC, file("./etc/ld.so.conf.d/l.conf", "/usr/lib/x86_64-linux-gnu\n/usr/local/lib\n"), seed=True
    )
    assert "etc/ld.so.cache" not in roots.build().entries


def test_an_unknown_mode(roots: Roots) -> None:
    roots.package("app", file("./f"), seed=True)
    with pytest.raises(BuildError, match="sideways"):
        roots.build("sideways")


def test_the_order_of_slices_starts_with_base_files(roots: Roots) -> None:
    roots.package("app", file("./a"), seed=True)
    roots.package("base-files", file("./b"), seed=True)
    assert [each["package"] for each in roots.build().extra["slices"]] == ["base-files", "app"]


def test_programs_that_are_alternatives(roots: Roots) -> None:
    call = "update-alternatives --install /usr/bin/java java /usr/lib/jvm/bin/java 10\n"
    roots.package("jre", file("./usr/lib/jvm/bin/java", "j", 0o755), seed=True, scripts={"postinst": call})
    assert roots.build().extra["programs"]["jre"] == {"program": "/usr/bin/java", "executables": ["/usr/bin/java"]}


@pytest.mark.parametrize(
    ("files", "program"),
    [
        ([("usr/bin/app", 0o755), ("usr/bin/b", 0o755)], "/usr/bin/app"),
        ([("usr/sbin/app", 0o755), ("usr/bin/b", 0o755)], "/usr/sbin/app"),
        ([("usr/bin/only", 0o755), ("usr/bin/text", 0o644)], "/usr/bin/only"),
        ([("usr/bin/a", 0o755), ("usr/bin/b", 0o755), ("usr/libexec/started", 0o755)], "/usr/libexec/started"),
        ([("usr/bin/a", 0o755), ("usr/bin/b", 0o755)], None),
    ],
)
def test_what_a_package_runs(roots: Roots, files: list[tuple[str, int]], program: str | None) -> None:
    """A unit's steps that are not the service, such as its shell, are none."""
    starts = "ExecStart=/bin/sh -c true\nExecStart=/usr/libexec/started --on\n"
    unit = file("./usr/lib/systemd/system/x.service", f"[Service]\n{starts}")
    roots.package("sh", file("./usr/bin/sh", "x", 0o755))
    roots.package("app", unit, *(file(f"./{path}", path, mode) for path, mode in files), seed=True)
    assert roots.build().extra["programs"]["app"]["program"] == program


# ---- with programs that were built from source


def _greeter(roots: Roots) -> StorePath:
    """Return a program of the store that loads a library of the store and one of a package, and runs one of another."""
    roots.package("libc6", *LIBC)
    roots.package("libz1", file(f"{LIB}/libz.so.1", elf("libc.so.6", soname="libz.so.1")), depends="libc6")
    roots.package("python3", file("./usr/bin/python3", elf("libc.so.6", interp=LOADER), 0o755), depends="libc6")
    roots.package("gcc", file("./usr/bin/gcc", elf("libc.so.6", interp=LOADER), 0o755), depends="libc6")
    library = roots.built("libgreet-1", {"lib/libgreet.so.1": elf("libz.so.1", soname="libgreet.so.1")})
    program = elf("libgreet.so.1", "libc.so.6", interp=LOADER, runpath=f"{library}/lib")
    return roots.built("greet-1", {"bin/greet": program, "bin/ask": b"#!/usr/bin/python3\n"}, library)


@pytest.mark.parametrize("mode", ["linked", "depends"])
def test_what_a_built_program_loads_comes_in_and_what_it_was_built_with_does_not(roots: Roots, mode: str) -> None:
    greet = _greeter(roots)
    roots.package("base-files", file("./etc/debian_version", "13"), seed=True)
    built = [{"path": str(greet), "packages": ["gcc", "libz1", "python3"]}]
    made = roots.build(mode, built=built, lazily=True)
    assert set(made.reasons()) == {"base-files", "libc6", "libz1", "python3"}
    by, kind, file_, what = made.reasons()["libz1"]
    assert (by, kind, what) == (None, "needed", "libz.so.1")
    assert file_.startswith("/fpack/store/") and file_.endswith("-libgreet-1/lib/libgreet.so.1")
    assert made.reasons()["python3"][3] == "/usr/bin/python3"
    assert str(greet) not in {each["path"] for each in made.extra["slices"]}


def test_a_package_that_was_linked_with_is_looked_at_before_all_others(roots: Roots) -> None:
    both = [file(f"{LIB}/libz.so.1", elf(soname="libz.so.1"))]
    roots.package("libc6", *LIBC)
    roots.package("one", *both, depends="libc6")
    roots.package("other", *both, depends="libc6")
    roots.slice("other")
    payload = roots.payloads["other"]
    roots.made.clear()
    program = roots.built("app-1", {"bin/app": elf("libz.so.1", interp=LOADER)}, payload)
    made = roots.build("linked", built=[{"path": str(program), "packages": ["one", "other", "libc6"]}])
    assert set(made.reasons()) == {"other", "libc6"}
    assert "one" not in roots.made


def test_a_built_program_whose_library_nothing_has_is_refused(roots: Roots) -> None:
    roots.package("libc6", *LIBC)
    program = roots.built("app-1", {"bin/app": elf("libgone.so.1", interp=LOADER)})
    with pytest.raises(BuildError, match=r"app-1/bin/app needs libgone.so.1"):
        roots.build("linked", built=[{"path": str(program), "packages": ["libc6"]}])
