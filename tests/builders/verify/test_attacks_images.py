"""Images that lie: files of nobody, files that hide others, and manifests that agree with all of it.

Whoever makes an image can make a manifest that says the same. So each attack here is an image that agrees with the
manifest that it carries, and what is found is found by the rules that hold for every image and by Debian's archive.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.manifest.format import ExcludedPath, Head, ManifestError, Origin
from fpack.builders.verify.verify import VerifyResult, verify
from support.images.forge import Forgery
from support.images.greeter import Greeter
from support.images.tamper import node
from support.paths import OLD_IMAGE
from support.processes.callers import CALLERS, caller
from support.processes.program import Fpack, world
from support.reports.evidence import World, estate, says, verify_alone


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Greeter:
    """Return an image of packages, certificates and alternatives, with files of its own."""
    return estate(tmp_path_factory.mktemp("estate") / "home")


@pytest.fixture
def around(own: Greeter, tmp_path: Path) -> World:
    """It, and all there is to check it by."""
    return World.of(own, tmp_path)


@pytest.fixture
def forgery(own: Greeter) -> Forgery:
    return Forgery(own.tar)


@pytest.fixture(params=CALLERS)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fpack]:
    with caller(request.param, world(tmp_path / "archive")) as fpack:
        yield fpack


# What no package vouches for.


HONEST = {
    "/etc/estate.conf": ("files", ""),
    "/srv/estate/data": ("files", ""),
    "/etc/group": ("generated", "rule accounts"),
    "/etc/passwd": ("generated", "rule accounts"),
    "/var/lib/estate": ("directory", ""),
}


def others(outcome: VerifyResult) -> dict[str, tuple[str, str]]:
    return {
        value["path"]: (value["origin"], value["detail"])
        for part in outcome.images
        for value in (other.value() for other in part.others)
    }


def test_an_honest_image_names_its_own_files_and_no_other(around: World, own: Greeter) -> None:
    """Links of merged /usr, certificates, alternatives and the like are computed again from the packages."""
    outcome = around.check(own.tar)
    assert outcome.verdict == "self-consistent" and others(outcome) == HONEST
    generated = {
        path for rows in Forgery(own.tar).rows for row in rows if row.origin and row.kind != "d" for path in [row.path]
    }
    assert generated >= {b"usr/bin/editor", b"etc/ssl/certs/ca-certificates.crt", b"usr/lib/ssl/cert.pem", b"bin"}
    assert generated >= {b"etc/hosts", b"etc/nsswitch.conf", b"var/run", b"var/lock"}
    trusted = verify(own.tar, [own.manifest], [], around.hand())
    assert trusted.verdict == "given" and others(trusted) == HONEST


@pytest.mark.parametrize("number", [1, 2])
def test_a_file_of_no_part_is_no_entry(forgery: Forgery, made: Greeter, tmp_path: Path, number: int) -> None:
    """It would be traced by nobody."""
    if number == 1:
        forgery = Forgery(OLD_IMAGE)
        assert forgery.head.format == 1
    forgery.put("hello", node("usr/bin/evil", b"evil", mode=0o4755), None)
    with pytest.raises(ManifestError, match="/usr/bin/evil is inconsistent"):
        verify_alone(forgery.save(tmp_path / "evil.tar"))


def test_a_set_id_file_from_elsewhere_leads_the_list(around: World, forgery: Forgery, tmp_path: Path) -> None:
    forgery.put("files", node("usr/zz/evil", b"evil", mode=0o4755))
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    assert others(outcome) == {**HONEST, "/usr/zz/evil": ("files", "")}
    assert (
        next(iter(outcome.images[0].others)).line() == "/usr/zz/evil: the container's own, set-id, mode 4755, owner 0:0"
    )


LINK, DIRECTORY = tarfile.SYMTYPE, tarfile.DIRTYPE


def hide(forgery: Forgery) -> None:
    forgery.append([node("usr/bin/hello", b"evil", mode=0o755)])


def hide_with_a_directory(forgery: Forgery) -> None:
    forgery.append([node("usr/bin/hello", kind=DIRECTORY, mode=0o755)], None)


def hide_with_itself(forgery: Forgery) -> None:
    """Add a file of a package once more on top, so that the one in the layer below might not be compared."""
    layer = forgery.image.layers[forgery.layer("hello")]
    forgery.append([member for member in layer.members if member.path == b"usr/bin/hello"])


def hide_with_a_package(forgery: Forgery) -> None:
    """Add the layer of another package once more on top."""
    number = forgery.layer("hello")
    forgery.append([m for m in forgery.image.layers[number].members if m.kind != DIRECTORY], like="hello")


def turn_a_directory_into_a_link(forgery: Forgery) -> None:
    forgery.append([node("usr/bin", kind=LINK, mode=0o777, target=b"/srv/evil")])


def turn_an_implied_directory_into_a_link(forgery: Forgery) -> None:
    forgery.append([node("usr/share/estate", kind=LINK, mode=0o777, target=b"/srv/evil")])


def turn_a_directory_into_a_file(forgery: Forgery) -> None:
    forgery.append([node("usr/share/estate", b"file")])


def lie_below_a_link_of_another_layer(forgery: Forgery) -> None:
    forgery.append([node("usr/share/estate/link/evil", b"evil")])


def lie_below_a_link_of_an_earlier_layer(forgery: Forgery) -> None:
    forgery.append([node("zz", kind=LINK, mode=0o777, target=b"usr/bin")])
    forgery.append([node("zz", kind=DIRECTORY, mode=0o755), node("zz/hello", b"evil", mode=0o755)])


def lie_below_a_link_of_the_same_layer(forgery: Forgery) -> None:
    forgery.append([node("zz", kind=LINK, mode=0o777, target=b"usr"), node("zz/bin/hello", b"evil", mode=0o755)])


OVERLAPS = {
    hide: "/usr/bin/hello",
    hide_with_a_directory: "/usr/bin/hello",
    hide_with_itself: "/usr/bin/hello",
    hide_with_a_package: "/usr/bin/hello",
    turn_a_directory_into_a_link: "/usr/bin",
    turn_an_implied_directory_into_a_link: "/usr/share/estate",
    turn_a_directory_into_a_file: "/usr/share/estate",
    lie_below_a_link_of_another_layer: "/usr/share/estate/link",
    lie_below_a_link_of_an_earlier_layer: "/zz",
    lie_below_a_link_of_the_same_layer: "/zz",
}


@pytest.mark.parametrize("attack", OVERLAPS, ids=lambda attack: attack.__name__)
def test_no_layer_hides_or_moves_what_another_one_has(
    around: World, forgery: Forgery, tmp_path: Path, attack: Callable[[Forgery], None]
) -> None:
    attack(forgery)
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    found = {finding.where for finding in outcome.report.findings if finding.kind == "overlap"}
    assert OVERLAPS[attack] in found and outcome.verdict is None


def test_an_image_of_format_1_may_repeat_a_file_and_not_hide_one(tmp_path: Path) -> None:
    """Its packages could share a file; what the container's files replaced was hidden."""
    forgery = Forgery(OLD_IMAGE)
    hide_with_itself(forgery)
    assert not verify_alone(forgery.save(tmp_path / "same.tar")).report.differs
    hide(forgery)
    assert says(verify_alone(forgery.save(tmp_path / "hidden.tar")).report.findings, "overlap", "/usr/bin/hello")


# What a package is said to ship.


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "content": ("usr/bin/estate", {"content": b"#!/bin/evil\n"}),
    "a set-id bit that it does not have": ("usr/bin/estate", {"mode": 0o4755}),
    "another set-id bit": ("usr/bin/estate-su", {"mode": 0o2755}),
    "a mode": ("usr/bin/estate", {"mode": 0o777}),
    "an owner": ("usr/bin/estate", {"uid": 1000}),
    "a group": ("usr/bin/estate", {"gid": 1000}),
    "a link's target": ("usr/share/estate/link", {"target": b"/srv/evil"}),
    "a link's way": ("usr/share/estate/link", {"target": b"evil/../words"}),
    "a link's way up": ("usr/share/estate/deep/up", {"target": b"../evil/../words"}),
    "an absolute form of a link": ("usr/share/estate/link", {"target": b"/usr/share/estate/words"}),
    "a moved link's way": ("usr/bin/estate-old", {"target": b"../evil/../etc/alternatives/x"}),
    "a link's mode": ("usr/share/estate/link", {"mode": 0o755}),
    "a file for a link": ("usr/share/estate/link", {"kind": tarfile.REGTYPE, "target": b"", "mode": 0o644}),
    "the status of a package": ("var/lib/dpkg/status.d/estate", {"content": b"Package: estate\nVersion: 9\n"}),
    "the mode of the status": ("var/lib/dpkg/status.d/estate", {"mode": 0o4755}),
    "the owner of the status": ("var/lib/dpkg/status.d/estate", {"uid": 1000}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_package_does_not_ship_like_that_is_named(
    around: World, forgery: Forgery, tmp_path: Path, name: str
) -> None:
    path, changes = CHANGES[name]
    forgery.change(path, **changes)
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    assert [(f.kind, f.where) for f in outcome.report.findings] == [("trace", f"/{path}")]


def test_a_set_id_bit_may_be_kept_or_dropped(around: World, forgery: Forgery, tmp_path: Path) -> None:
    assert around.check(forgery.save(tmp_path / "dropped.tar")).verdict
    forgery.change("usr/bin/estate-su", mode=0o4755)
    assert around.check(forgery.save(tmp_path / "kept.tar")).verdict


def test_a_moved_link_leads_where_it_led(around: World, own: Greeter) -> None:
    """From /bin, which is in /usr now."""
    (target,) = [row.target for rows in Forgery(own.tar).rows for row in rows if row.path == b"usr/bin/estate-old"]
    assert target == b"../../etc/alternatives/x" and around.check(own.tar).verdict


def test_a_file_more_in_a_packages_name_is_named(around: World, forgery: Forgery, tmp_path: Path) -> None:
    for path in ("usr/bin/evil", "var/lib/dpkg/status.d/evil", "etc/ld.so.preload"):
        forgery.put("hello", node(path, b"evil"))
    found = around.check(forgery.save(tmp_path / "evil.tar")).report.findings
    assert [finding.kind for finding in found] == ["trace"] * 3


FOLDERS: dict[str, dict[str, Any]] = {
    "usr/bin": {"mode": 0o777},
    "usr": {"uid": 1000},
    "": {"mode": 0o777},
    "tmp": {"mode": 0o777},
    "root": {"mode": 0o755},
    "var/lib/estate-data": {"mode": 0o755, "gid": 0},
}


@pytest.mark.parametrize("path", FOLDERS)
def test_a_directory_that_no_package_has_like_that_is_from_elsewhere(
    around: World, forgery: Forgery, tmp_path: Path, path: str
) -> None:
    """In whichever layer: the last one that has it counts, and that has it from the image as a whole."""
    number = len(forgery.rows) - 1
    for layer, rows in zip(forgery.image.layers, forgery.rows, strict=True):
        layer.members = [member for member in layer.members if member.path != path.encode() or layer is None]
        rows[:] = [row for row in rows if row.path != path.encode()]
    forgery.put(number, node(path, kind=DIRECTORY, **{"mode": 0o755, **FOLDERS[path]}), None)
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    assert others(outcome) == {**HONEST, f"/{path}": ("directory", "")}, outcome.report.findings


def test_restated_directories_of_a_derivation_excuse_nothing(around: World, forgery: Forgery, tmp_path: Path) -> None:
    """A layer's derivation says which directories it has from the image as a whole: an attacker can name any."""
    number = forgery.layer("estate")
    old = forgery.head.layers[number].derivation
    args = dict(forgery.derivations[old].args)
    args["directories"] = [["/var/lib/estate-data", 0o777, 1000, 1000]]
    forgery.derive(old, forgery.derivations[old]._replace(args=args))
    forgery.change("var/lib/estate-data", mode=0o777, uid=1000, gid=1000)
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    assert others(outcome) == {**HONEST, "/var/lib/estate-data": ("directory", "")}


# What is said to be generated, configured, left out or counted.


GENERATED: dict[str, dict[str, Any]] = {
    "bin": {"target": b"srv/evil"},
    "var/run": {"target": b"/srv"},
    "usr/bin/editor": {"target": b"/srv/evil"},
    "usr/lib/ssl/cert.pem": {"target": b"/srv/evil.pem"},
    "etc/hosts": {"content": b"1.2.3.4 deb.example.org\n"},
    "etc/nsswitch.conf": {"content": b"passwd: evil\n"},
    "etc/ssl/certs/ca-certificates.crt": {"content": b"A certificate\nB certificate\nEvil certificate\n"},
    "lib": {"uid": 1000},
    "etc/hosts ": {"mode": 0o666},
}


@pytest.mark.parametrize("path", GENERATED)
def test_what_a_rule_would_not_make_is_from_elsewhere(
    around: World, forgery: Forgery, tmp_path: Path, path: str
) -> None:
    forgery.change(path.strip(), **GENERATED[path])
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    (more,) = others(outcome).keys() - HONEST.keys()
    assert more == f"/{path.strip()}" and others(outcome)[more][0] == "generated" and not outcome.report.differs


@pytest.mark.parametrize("rule", ["accounts", "merged-usr", "alternatives", "certificates", "new-rule"])
def test_no_rule_makes_just_anything(around: World, forgery: Forgery, tmp_path: Path, rule: str) -> None:
    origin = Origin("generated", rule=rule)
    forgery.put("root", node("usr/bin/evil", b"evil", mode=0o755), origin=origin)
    forgery.put("hello", node("usr/bin/evil2", kind=LINK, mode=0o777, target=b"/srv"), origin=origin)
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    assert others(outcome).keys() - HONEST.keys() == {"/usr/bin/evil", "/usr/bin/evil2"}


def test_another_alternative_that_a_package_offers_is_debians_too(
    around: World, forgery: Forgery, tmp_path: Path
) -> None:
    assert forgery.image.layers[forgery.layer("root")]
    forgery.change("usr/bin/editor", target=b"/usr/bin/editor-one")
    assert others(around.check(forgery.save(tmp_path / "other.tar"))) == HONEST


def test_a_directory_that_a_script_is_said_to_have_changed_is_from_elsewhere(
    around: World, forgery: Forgery, tmp_path: Path
) -> None:
    script = b"#!/bin/sh\nupdate-alternatives --install /usr/bin/editor editor /usr/bin/editor-one 10\n"
    origin = Origin("configured", "", "editor-one", "postinst", hashlib.sha256(script).digest())
    forgery.put("root", node("srv/made", kind=DIRECTORY, mode=0o777, uid=7), origin=origin)
    outcome = around.check(forgery.save(tmp_path / "a.tar"))
    assert others(outcome) == {**HONEST, "/srv/made": ("configured", "postinst of editor-one")}


def test_what_scripts_are_said_to_have_made_is_from_elsewhere(around: World, forgery: Forgery, tmp_path: Path) -> None:
    """It is said to be made by maintainer scripts; which script that was is checked, and nothing else can be."""
    script = b"#!/bin/sh\nupdate-alternatives --install /usr/bin/editor editor /usr/bin/editor-one 10\n"
    origin = Origin("configured", "", "editor-one", "postinst", hashlib.sha256(script).digest())
    forgery.put("root", node("etc/made", b"x"), origin=origin)
    outcome = around.check(forgery.save(tmp_path / "a.tar"))
    assert others(outcome) == {**HONEST, "/etc/made": ("configured", "postinst of editor-one")}
    assert "made by maintainer scripts" in list(outcome.images[0].others)[2].line()
    assert outcome.report.notes == ["maintainer scripts: the derivation that ran them is missing"]
    for lie in ({"sha256": bytes(32)}, {"script": "preinst"}, {"package": "dash"}, {"package": "absent"}):
        forgery.entry("etc/made", origin=origin._replace(**lie))
        found = around.check(forgery.save(tmp_path / "b.tar")).report.findings
        assert [f.where for f in found] == [f"package {lie.get('package', 'editor-one')}"], lie
    for place in around.store.root.glob("store/*-editor-one_*.deb"):
        place.unlink()
    forgery.entry("etc/made", origin=origin)
    outcome = around.check(forgery.save(tmp_path / "c.tar"))
    assert outcome.verdict is None and any("scripts of editor-one are not available" in n for n in outcome.report.notes)


EXCLUSIONS: dict[str, tuple[ExcludedPath, str]] = {
    "it is there all the same": (ExcludedPath(0, b"usr/bin/estate", "files", ""), "it is present"),
    "nothing took its place": (ExcludedPath(0, b"usr/bin/gone", "files", ""), "nothing replaces it"),
    "another package's": (ExcludedPath(0, b"usr/bin/hello", "replaced", "dash"), "something else replaces it"),
    "no file of the container's": (ExcludedPath(0, b"usr/bin/hello", "files", ""), "something else replaces it"),
    "no rule's": (ExcludedPath(0, b"etc/estate.conf", "generated", "accounts"), "something else replaces it"),
    "not removed": (ExcludedPath(0, b"etc/passwd", "removed", "x"), "the path exists"),
}


@pytest.mark.parametrize("name", EXCLUSIONS)
def test_what_a_layer_is_said_to_leave_out_is_checked(
    around: World, forgery: Forgery, tmp_path: Path, name: str
) -> None:
    row, words = EXCLUSIONS[name]

    def lie(row: ExcludedPath) -> Callable[[Head], Head]:
        number = forgery.layer("estate")

        def change(head: Head) -> Head:
            layers = list(head.layers)
            layers[number] = layers[number]._replace(excluded=(row,))
            return head._replace(layers=tuple(layers))

        return change

    found = around.check(forgery.save(tmp_path / "evil.tar", lie(row))).report.findings
    assert [(f.kind, f.where) for f in found] == [("manifest", "/" + row.path.decode())] and words in found[0].what
    true = ExcludedPath(0, b"etc/estate.conf", "files", "")
    assert around.check(forgery.save(tmp_path / "true.tar", lie(true))).verdict


def test_claims_are_counted_again(around: World, forgery: Forgery, tmp_path: Path) -> None:
    def lie(head: Head) -> Head:
        assert head.claims is not None
        claims = head.claims._replace(package=head.claims.package + head.claims.files, files=0)
        return head._replace(claims=claims, executor="local")

    found = around.check(forgery.save(tmp_path / "evil.tar", lie)).report.findings
    assert [f.where for f in found] == ["claims: package", "claims: files", "executor"]


# What no archive vouches for.


def test_what_a_container_does_is_its_authors_word(around: World, forgery: Forgery, tmp_path: Path) -> None:
    evil = ["LD_PRELOAD=/usr/lib/libevil.so"]
    forgery.image.config["config"] |= {"Env": evil, "Entrypoint": ["/usr/bin/dash", "-c", "evil"], "User": "0:0"}
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    assert outcome.verdict == "self-consistent", "its files are Debian's all the same"
    shown = outcome.value()["images"][0]["configuration"]
    assert shown["Env"] == evil and shown["Entrypoint"][0] == "/usr/bin/dash" and shown["User"] == "0:0"


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("container_config", lambda config: config.update(container_config={"Cmd": ["evil"]})),
        ("config.OnBuild", lambda config: config["config"].update(OnBuild=["RUN evil"])),
        ("config.Shell", lambda config: config["config"].update(Shell=["/bin/evil"])),
        ("config", lambda config: config.update(config=[])),
        ("created", lambda config: config.update(created="2026-01-01T00:00:00Z")),
        ("rootfs", lambda config: config["rootfs"].update(type="evil")),
        ("rootfs", lambda config: config["rootfs"].update(base_layer="sha256:evil")),
        ("history", lambda config: config["history"].append({"created_by": "evil"})),
        ("history[0]", lambda config: config["history"][0].update(empty_layer=True)),
    ],
)
def test_a_configuration_has_no_field_that_fpack_does_not_write(
    around: World, forgery: Forgery, tmp_path: Path, where: str, change: Callable[[dict[str, Any]], None]
) -> None:
    change(forgery.image.config)
    outcome = around.check(forgery.save(tmp_path / "evil.tar"))
    assert (("configuration", where)) in [(f.kind, f.where) for f in outcome.report.findings]


def test_documents_about_the_image_are_named_and_nothing_is_said_of_them(
    around: World, forgery: Forgery, tmp_path: Path
) -> None:
    forgery.save(tmp_path / "plain.tar")
    image = forgery.image
    assert image.referrers is not None
    artifact, blobs = image.artifacts[0]
    kind = "application/vnd.evil.sbom"
    image.artifacts.append(({**artifact, "artifactType": kind}, blobs))
    image.referrers["manifests"].append({**image.referrers["manifests"][0], "artifactType": kind})
    outcome = around.check(image.save(tmp_path / "sbom.tar"))
    assert outcome.verdict and outcome.artifacts == outcome.value()["artifacts"] == [kind]


def test_what_is_forged_is_found_by_whoever_looks(program: Fpack) -> None:
    """By root and by a user without rights, with words and an exit status that do not pass for success."""
    tar = program.home / "hello.tar"
    program.pack("debian.trixie.hello", "-o", tar)
    assert "self-consistent" in program("verify", tar).stdout
    attacks: dict[str, tuple[Callable[[Forgery], None], int]] = {
        "layer": (lambda forgery: forgery.append([node("usr/bin/hello", b"evil", mode=0o755)], like="root"), 1),
        "part": (lambda forgery: forgery.put("hello", node("usr/bin/evil", mode=0o4755), None), 1),
        "whiteout": (lambda forgery: forgery.put("root", node("usr/bin/.wh.hello")), 1),
        "other": (lambda forgery: forgery.put("root", node("usr/bin/evil", mode=0o4755)), 0),
    }
    for name, (attack, status) in attacks.items():
        forgery = Forgery(tar)
        attack(forgery)
        evil = forgery.save(tar.with_name(f"{name}.tar"))
        done = program("verify", evil, status=status)
        assert "proven" not in done.stdout
        program("verify", "--strict", "--allow-other", "2", evil, status=1)
