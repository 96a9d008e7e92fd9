"""Outputs, kept files, processes and logs that a hostile build leaves behind."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.cli.ui.render import error_text
from fpack.store.errors import FpackError
from support.attacks.builds import MODES, Caller, Result, callers
from support.processes import unprivileged
from support.time_limits import WAIT


@pytest.fixture
def victim(caller: Caller) -> Iterator[Path]:
    """Yield a directory of the host that everybody may change, with a file in it; nothing may happen to it."""
    place = caller.store.with_name("victim")
    (place / "folder").mkdir(parents=True)
    (place / "file").write_text("of the host\n")
    for each in (place, place / "folder", place / "file"):
        each.chmod(0o777)
    before = _state(place)
    yield place
    assert _state(place) == before
    subprocess.run(["rm", "-r", place], check=True)


def _state(place: Path) -> dict[str, tuple[object, ...]]:
    found = {}
    for each in (place, *place.rglob("*")):
        status = each.lstat()
        found[str(each)] = (status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns)
    return found


def clean(caller: Caller, result: Result) -> str:
    """Return the error of a build that failed, of which nothing is left."""
    assert result.path is None and result.new == 0
    assert caller.children() == [] and caller.leftovers() == [] and caller.strangers() == []
    assert result.error and "bug in fpack" not in result.error, result.error
    return result.error


# CVE-2026-39860, CVE-2025-52993, Guix 47229: what is copied, chowned or deleted lies behind a planted symlink.


def test_an_output_that_is_a_symlink_is_that_symlink(caller: Caller, victim: Path) -> None:
    for target in (victim, victim / "file", Path("/etc/shadow")):
        made = caller.build(f"ln -s {target} $out", "link")
        assert os.readlink(made.output) == str(target)
    script = f"mkdir $out; cd $out; ln -s {victim} directory; ln -s {victim}/file file; ln -s /proc/self/fd/0 fd"
    made = caller.build(script, "links")
    assert sorted(os.listdir(made.output)) == ["directory", "fd", "file"]
    assert all(stat.S_ISLNK(each.lstat().st_mode) for each in made.output.iterdir())
    assert caller.strangers() == []


def test_an_output_that_was_swapped_for_a_symlink_is_that_symlink(caller: Caller, victim: Path) -> None:
    made = caller.build(
        f"mkdir $out; echo > $out/file; (while :; do mv -T $out $out.x; ln -s {victim} $out; rm $out; "
        "mv -T $out.x $out; done) 2>/dev/null & sleep 0.3; kill %1; wait || :; sleep 0.3; rm -rf $out $out.x; "
        f"ln -s {victim} $out",
        "swapped",
    )
    assert os.readlink(made.output) == str(victim)


def test_links_in_the_places_of_the_build_lead_nowhere(caller: Caller, victim: Path) -> None:
    plant = f"rm -rf /build/home; ln -s {victim} /build/home; ln -s {victim} /tmp/x; ln -s {victim}/file /build/f;"
    assert "exit status 3" in clean(caller, caller.build(plant + "exit 3", "planted"))
    # The sandbox is entered a second time to strip: with the planted home.
    assert caller.build(plant + "cp /usr/bin/true $out || cp /usr/bin/bash $out", "planted").output.is_file()


def test_the_place_where_an_output_will_be_cannot_be_taken(caller: Caller, victim: Path) -> None:
    script = f"echo > $out; n={'a' * 32}; ln -s {victim} /fpack/store/$n-planted"  # in one piece it would be an input
    error = clean(caller, caller.build(script, "planter"))
    assert "not one of its outputs" in error


def test_what_is_kept_of_a_failure_is_the_callers_and_leads_nowhere(caller: Caller, victim: Path) -> None:
    script = (
        f"ln -s {victim} /build/link; ln -s {victim}/file /tmp/link; ln -s {victim} $out; mkdir -p /build/shut/in; "
        "echo secret > /build/shut/in/file; chmod 000 /build/shut/in /build/shut; chmod 777 /build; exit 1"
    )
    result = caller.build(script, "kept", keep=True)
    assert result.path is None and caller.children() == [] and caller.leftovers() == []
    (kept,) = caller.store.glob("partial/*/failed")
    assert str(kept) in result.error
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert {each.lstat().st_uid for each in (kept, *kept.rglob("*"))} == {caller.uid}
    assert os.readlink(kept / "build/link") == str(victim)
    assert (kept / "build/shut/in/file").read_text() == "secret\n"
    if os.geteuid() == 0:
        other = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "ls", f"{kept}/build"]
        assert subprocess.run(other, capture_output=True).returncode
    # The next failure takes its place; a success deletes it.
    caller.build(script, "kept", keep=True)
    assert len(list(caller.store.glob("partial/*/failed"))) == 1


# Nix 1.11.10, CVE-2025-52992: what a build may set on its files is not in the store.


def test_the_modes_of_a_build_are_not_in_the_store(caller: Caller) -> None:
    made = caller.build(
        "mkdir $out $out/open $out/shut; for m in 000 222 444 666 777 111; do echo $m > $out/$m; "
        "chmod $m $out/$m; done; chmod 1777 $out/open; chmod 000 $out/shut; chmod 777 $out",
        "modes",
    )
    assert caller.strangers() == []
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in made.output.iterdir()}
    assert modes == {"000": 0o444, "222": 0o444, "444": 0o444, "666": 0o444, "777": 0o555, "111": 0o555, "open": 0o555,
                     "shut": 0o555}  # fmt: skip


HOLDS = "neither a file nor a directory nor a symlink"
UNFIT = {
    "a FIFO": ("mkfifo $out", HOLDS),
    "a FIFO below": ("mkdir $out; mkfifo $out/fifo", HOLDS),
    "a socket": ("mkdir $out; cd $out; attacker socket s", HOLDS),
    "a socket as a whole": ("cd /fpack/store; attacker socket ${out##*/}", HOLDS),
    "nothing": (":", "no output"),
    "an output that was deleted": ("echo > $out; rm $out", "no output"),
    "more than it said": ("echo > $out; echo > /fpack/store/more", "not one of its outputs"),
    "a tree that is too deep": ("mkdir $out; attacker deep $out 70 d", "levels deep"),
    "a tree that is very deep": ("mkdir $out; attacker deep $out 3000 d", "levels deep"),
    "paths that are too long": ("mkdir $out; attacker deep $out 20 " + "n" * 250, "bytes"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_a_store_cannot_hold_is_refused(caller: Caller, name: str) -> None:
    script, words = UNFIT[name]
    assert words in clean(caller, caller.build(script, "unfit"))


def test_a_deep_tree_that_failed_is_deleted(caller: Caller) -> None:
    result = caller.build("attacker deep /build 3000 " + "n" * 200 + "; chmod 000 /build/n*; exit 1", "deep")
    assert "exit status 1" in clean(caller, result)


def test_a_huge_tree_is_entered_or_deleted(caller: Caller) -> None:
    script = "mkdir $out; cd $out; for i in {1..40}; do mkdir $i; touch $i/{1..100}; done;"
    assert len(list(caller.build(script, "huge").output.rglob("*"))) == 4040
    clean(caller, caller.build(script + "exit 1", "huge"))


def test_hard_links_are_files_of_their_own(caller: Caller) -> None:
    made = caller.build("mkdir $out; echo one > $out/a; ln $out/a $out/b; chmod +x $out/a", "linked")
    assert (made.output / "a").read_text() == (made.output / "b").read_text() == "one\n"
    again = caller.build("ln -f /build/x $out 2>/dev/null || { echo two > /build/x; ln /build/x $out; }", "across")
    assert "exit status" in clean(caller, again)


NAMES = ["$(touch evil)", "`touch evil`", "'; touch evil; '", '"; touch evil; "', "-rf", "--", "a\\b", "line\nline",
         "*", "\x1b[31mred", " ", "\u202eevil", "~root", "nul%00"]  # fmt: skip


def test_hostile_names_are_only_names(caller: Caller) -> None:
    quoted = [name.replace("'", "'\\''") for name in NAMES]
    words = " ".join(f"'{name}'" for name in quoted)
    made = caller.build(
        f'mkdir $out; cd $out; for n in {words}; do cp /usr/bin/true ./"$n" || cp /usr/bin/cat ./"$n"; done; '
        "echo > $'\\xff\\xfe'; ln -s $'\\xff' l",
        "names",
    )
    assert set(os.listdir(os.fsencode(made.output))) == {*map(os.fsencode, NAMES), b"\xff\xfe", b"l"}


def test_files_that_lie_about_what_they_are_fail_in_words_or_are_taken(caller: Caller) -> None:
    head = bytes.fromhex("7f454c4602010100" + "00" * 8)
    lies = [
        head,
        head + b"\xff" * 48,
        head + bytes.fromhex("03003e0001000000") + b"\xff" * 40,
        head + bytes.fromhex("03003e0001000000") + bytes(8) + (64).to_bytes(8, "little")
        + (1 << 63).to_bytes(8, "little") + bytes(4) + bytes.fromhex("40003800ffff4000ffffffff") + b"\x02" * 4096,
        b"!<arch>\n" + b"x" * 100,
        b"\x1f\x8b" + b"\xff" * 100,
        b"PK\x03\x04" + b"\xff" * 100,
        b"#!" + b"/" * 5000,
        b"#! \0\0\0",
        gzip.compress(bytes(50 << 20)),
        gzip.compress(gzip.compress(b"deep"))[:-4],
    ]  # fmt: skip
    for number, lie in enumerate(lies):
        octal = "".join(f"\\x{byte:02x}" for byte in lie)
        name = "lib.a" if lie.startswith(b"!") else "lib.so"
        made = caller.build(f"mkdir $out; printf '{octal}' > $out/{name}; chmod +x $out/{name}", f"lie-{number}")
        if made.path is None:
            clean(caller, made)
        else:
            assert (made.output / name).read_bytes() == lie


def test_what_it_says_cannot_drive_a_terminal(caller: Caller) -> None:
    evil = "printf 'evil\\033[2J\\n'"
    result = caller.build(
        f"printf '\\033]0;title\\007\\033[2J\\033[31mred\\n\\xff\\xfe\\n'; {evil} >&3 || :; "
        f"for fd in 3 10; do {evil} > /proc/1/fd/$fd || :; done; exit 1",
        "loud",
    )
    error = clean(caller, result)
    assert "\x1b" not in error_text(FpackError("A build failed", why=error))


@pytest.mark.parametrize("target", ["a" * 4095, "/proc/self/root/../../etc/shadow", "."])
def test_any_target_of_a_symlink_is_only_a_target(caller: Caller, target: str) -> None:
    made = caller.build(f"mkdir $out; ln -s {target} $out/l", f"target-{len(target)}")
    assert os.readlink(made.output / "l") == target


def test_who_holds_an_output_open_from_outside_changes_nothing_that_is_registered(caller: Caller) -> None:
    """CVE-2024-27297: an accomplice on the host, who got at a descriptor of what a build wrote."""
    caller.start("mkdir $out; echo good > $out/f; ln $out/f $out/g; echo up; sleep 1", "held")
    caller.wait("up")
    (place,) = caller.store.glob("tmp/*/*/out/*-held")
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    with open(place / "f", "r+b") as held:
        made = caller.finish().output
        held.write(b"evil")
        held.flush()
        os.close(folder)
        assert (made / "f").read_bytes() == (made / "g").read_bytes() == b"good\n"
        assert os.fstat(held.fileno()).st_ino not in {each.stat().st_ino for each in made.iterdir()}


# What runs on.


LEFT = {
    # name: script, what is named
    "a job": ("echo good > $out; sleep 30 &", "sleep"),
    "one that ignores signals": (
        "echo good > $out; (trap '' TERM HUP INT; setsid bash -c 'while :; do echo evil > $out; done' &); sleep 0.1",
        "bash"),
    "a daemon of its own session": ("echo good > $out; (setsid attacker listen x &); sleep 0.1", "attacker"),
    "many": ("echo good > $out; attacker sleepers 20 &", "attacker"),
    "an end by exit": ("echo good > $out; sleep 30 & exit 0", "sleep"),
    "an end by exec": ("echo good > $out; sleep 30 & exec bash -c :", "sleep"),
    "a trap of its own": ("trap : EXIT; echo good > $out; sleep 30 &", "sleep"),
    "two": ("echo good > $out; sleep 30 & sleep 30 & attacker listen x &", "sleep, attacker"),
    "a stopped one": ("echo good > $out; sleep 30 & sleep 0.2; kill -STOP $!", "sleep"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_runs_on_in_the_background_is_named_and_ended_and_nothing_is_registered(caller: Caller, name: str) -> None:
    script, words = LEFT[name]
    error = clean(caller, caller.build(script, "daemon"))
    assert "left processes running in the background" in error
    named = error.partition("background: ")[2].partition(";")[0].split(", ")
    assert sorted(named) == sorted(words.split(", "))


def test_a_process_in_the_background_does_not_hide_that_a_phase_failed(caller: Caller) -> None:
    assert "exit status 3" in clean(caller, caller.build("echo > $out; sleep 30 & exit 3", "daemon"))


@pytest.mark.parametrize(
    "script", ["sleep 0.3 & echo > $out", "(setsid sleep 0.3 &); echo > $out", "sleep 9 & echo > $out; kill $!", ": &"]
)
def test_what_is_about_to_end_is_waited_for(caller: Caller, script: str) -> None:
    assert caller.build(f"echo > $out; {script}", f"brief-{abs(hash(script))}").path


def test_an_interrupted_build_leaves_nothing(caller: Caller) -> None:
    caller.start("trap '' TERM INT HUP; attacker sleepers 5 & echo up; echo > $out; sleep 50", "interrupted")
    caller.wait("up")
    caller.interrupt()
    assert "Interrupted" in clean(caller, caller.finish())


def test_a_build_that_kills_all_that_it_can_ends_alone(caller: Caller) -> None:
    caller.build("kill -9 -1; kill -9 1; kill -9 $PPID; echo > $out", "killer")
    assert caller.children() == [] and caller.leftovers() == []
    assert caller.build("echo > $out", "after").path


@pytest.mark.parametrize("mode", MODES)
def test_when_its_caller_crashes_a_build_ends_and_is_swept(mode: str) -> None:
    with callers(mode, 2) as (one, other):
        one.start("trap '' TERM HUP INT; attacker sleepers 5 & echo up; echo > /build/file; sleep 50", "orphan")
        one.wait("up")
        doomed = one.children(0)
        assert len(doomed) >= 3
        one.kill()
        end = time.monotonic() + WAIT
        while any(Path(f"/proc/{pid}").exists() for pid in doomed) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(Path(f"/proc/{pid}").exists() for pid in doomed)
        other.ask(do="gc")
        assert other.finish().error == ""
        assert not list(other.store.glob("tmp/*/*/build")) and other.strangers() == []


def test_a_collection_spares_what_a_build_uses(two: list[Caller]) -> None:
    one, other = two
    one.ask(do="add", name="used", text="still here\n")
    used = one.finish().output
    path = f"/fpack/store/{used.name}"
    one.start("echo up; sleep 1; cat $it > $out; ls /usr/bin/cat", "user", env={"it": path})
    one.wait("up")
    other.ask(do="gc")
    assert other.finish().error == ""
    assert one.finish().output.read_text() == "still here\n"


def test_an_input_that_names_the_path_of_the_output_does_no_harm(two: list[Caller]) -> None:
    """A collision of the placeholder of an output with what is in an input."""
    one, other = two
    place = one.build("echo $out >&2; echo > $out", "collide").lines[0]
    one.ask(do="add", name="trap", text=f"before {place} after\n")
    trap = f"/fpack/store/{one.finish().output.name}"
    made = one.build("cat $it > $out", "collide", env={"it": trap})
    text = made.output.read_text()
    assert place not in text and text == f"before /fpack/store/{made.output.name} after\n"
    assert other.build("cat $it > $out", "collide", env={"it": trap}).output == made.output


def test_the_path_of_another_builds_output_is_no_mention_of_itself(caller: Caller) -> None:
    from fpack.store.derivation import build_path

    place = build_path("victim", "out")
    holder = caller.build(f"a={str(place)[:30]}; echo ${{a}}{str(place)[30:]} > $out", "holder").output
    assert holder.read_text() == f"{place}\n"
    victim = caller.build("echo $out > $out", "victim").output
    assert victim.read_text() == f"/fpack/store/{victim.name}\n" and victim.name != place.base


def test_a_failed_build_leaves_the_store_as_it_was(caller: Caller) -> None:
    """CVE-2025-52992."""
    before = _state(caller.store / "store")
    clean(caller, caller.build("chmod 777 /fpack/store || :; umask 0; echo > $out; chmod 777 $out; exit 1", "loose"))
    assert _state(caller.store / "store") == before
    if caller.uid == 0:
        command = [*unprivileged.prefix([]), "/usr/bin/touch", f"{caller.store}/store/x"]
        assert subprocess.run(command, capture_output=True).returncode
