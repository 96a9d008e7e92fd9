"""Hostile builds, run for real, by root and by a user who is not: what has hurt others, and what is in reach here."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.attacker import Attacker, attacker


@pytest.fixture(scope="module", params=["root", "rootless"])
def it(request: pytest.FixtureRequest) -> Iterator[Attacker]:
    with attacker(request.param) as made:
        yield made


def says(it: Attacker, script: str, **args: object) -> str:
    """The output of a build that must succeed, whose script writes to $out and may fail in between."""
    answer = it.build(f"set +e; export LC_ALL=C\n{script}\n:", **args)  # type: ignore[arg-type]
    assert answer.out is not None, answer.error + "\n".join(answer.lines)
    return answer.out


# System calls by number, since a C library would have some of them checked or renamed.
SYSCALL = "perl -e 'my ($n, @a) = ({}); print syscall($n, @a) < 0 ? qq(refused $!) : qq(done), qq(\\n)' > $out 2>&1"
X86 = os.uname().machine == "x86_64"
needs_x86 = pytest.mark.skipif(not X86, reason="the numbers of system calls are those of x86-64")


def test_kernel_settings_cannot_be_written(it: Attacker) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    text = says(
        it,
        "cd /proc; for f in sys/kernel/core_pattern sys/kernel/hostname sysrq-trigger sys/vm/overcommit_memory; do"
        " { echo x > $f; } 2>/dev/null && echo wrote $f >> $out; done; mount >> $out; echo end >> $out",
    )
    assert "wrote" not in text
    assert " on /proc/sys type proc (ro" in text
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_nobody_is_root(it: Attacker) -> None:
    text = says(
        it,
        "{ id -u; cat /proc/self/uid_map; stat -c %u / /usr /etc/passwd /proc/1 /fpack/store /build; "
        "cat /proc/self/status; } > $out",
    )
    lines = text.splitlines()
    assert lines[0] == "1000"
    assert lines[1].split()[::2] == ["1000", "1"]
    assert "0" not in lines[2:8]
    assert all(line.split()[1].strip("0") == "" for line in lines if line.startswith(("CapEff", "CapPrm", "CapBnd")))
    assert "NoNewPrivs:\t1" in text and "Seccomp:\t2" in text


def test_to_the_kernel_a_build_is_never_root(it: Attacker) -> None:
    seen: list[int] = []

    def look() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end and not seen:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if b"marked-sleep" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        seen.append(os.stat(f"/proc/{pid}").st_uid)
                except OSError:
                    continue
            time.sleep(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    says(it, "cp /usr/bin/sleep ./marked-sleep; ./marked-sleep 1; echo x > $out")
    watcher.join()
    assert seen and 0 not in seen
    if it.uid:
        assert set(seen) == {it.uid}


@pytest.mark.parametrize(
    "how",
    [
        "chmod 4755 f", "chmod 2755 f", "chmod u+s f",
        "perl -e 'chmod 06755, \"f\" or die'",
        pytest.param("perl -e 'syscall(452, -100, \"f\", 04755, 0) == 0 or die'", marks=needs_x86),  # fchmodat2
        pytest.param("perl -e 'syscall(2, \"g\", 0101, 04755) >= 0 or die'", marks=needs_x86),  # open, made so
        pytest.param("perl -e 'syscall(133, \"g\", 0104755, 0) == 0 or die'", marks=needs_x86),  # mknod
        pytest.param("perl -e 'syscall(85, \"g\", 02755) >= 0 or die'", marks=needs_x86),  # creat
    ],
)  # fmt: skip
def test_no_set_id_file_is_made(it: Attacker, how: str) -> None:
    text = says(
        it, f"echo x > f; {how} && echo made it; stat -c '%a %n' * > $out; {how} 2>/dev/null && echo made >> $out"
    )
    status, *modes = text.splitlines()
    assert status != "0"
    assert all(line.split()[0] in ("644", "700") for line in modes)


@needs_x86
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("mount", '165, "none", "/tmp", "tmpfs", 0, 0'), ("umount2", '166, "/proc", 2'),
        ("unshare user", "272, 0x10000000"), ("unshare mount", "272, 0x20000"),
        ("clone user", "56, 0x10000011, 0, 0, 0, 0"), ("clone3", "435, 0, 0"), ("setns", "308, 0, 0"),
        ("pivot_root", '155, "/tmp", "/tmp"'), ("io_uring_setup", '425, 8, "x" x 200'),
        ("keyctl", "250, 0, -3, 1"), ("add_key", '248, "user", "a", "b", 1, -3'),
        ("setxattr", '188, "f", "user.a", "b", 1, 0'), ("ptrace attach", "101, 16, 1, 0, 0"),
        ("process_vm_readv", "310, 1, 0, 0, 0, 0, 0"), ("bpf", "321, 0, 0, 0"),
        ("perf_event_open", "298, 0, 0, -1, -1, 0"),
        ("userfaultfd", "323, 0"), ("open_by_handle_at", "304, -100, 0, 0"), ("openat2", '437, -100, "f", 0, 24'),
        ("TIOCSTI", '16, 0, 0x5412, "x"'), ("fsopen", '430, "tmpfs", 0'), ("open_tree", '428, -100, "/", 1'),
        ("pidfd_getfd", "438, 0, 0, 0"), ("swapon", '167, "f", 0'), ("quotactl", "179, 0, 0, 0, 0"),
        ("x32 getpid", "0x40000027"),
    ],
)  # fmt: skip
def test_system_calls_that_reach_further_are_refused(it: Attacker, name: str, call: str) -> None:
    text = says(it, "echo x > f; " + SYSCALL.format(call))
    words = ("not permitted", "not implemented", "not supported", "Permission denied")
    assert text.startswith("refused") and any(word in text for word in words), text


@needs_x86
def test_only_sockets_that_a_network_namespace_holds_can_be_made(it: Attacker) -> None:
    for family, made in ((1, True), (2, True), (40, False), (38, False), (17, False)):
        assert ("done" in says(it, SYSCALL.format(f"41, {family}, 1, 0"))) is made, family


def test_the_network_is_out_of_reach(it: Attacker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = says(
            it,
            f"exec 2>/dev/null; (exec 4<>/dev/tcp/127.0.0.1/{port}) && echo loopback; "
            "(exec 4<>/dev/tcp/1.1.1.1/80) && echo outside; cat /proc/net/dev > $out; ls /sys >> $out",
        )
    assert "loopback" not in text and "outside" not in text
    devices = [line.split(":")[0].strip() for line in text.splitlines() if ":" in line]
    assert devices == ["lo"]


def test_an_abstract_socket_of_the_host_is_out_of_reach(it: Attacker) -> None:
    name = f"fpack-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        # A descriptor cannot be handed to, or taken from, anybody outside.
        text = says(
            it,
            f'perl -e \'socket(S, 1, 1, 0) or die; print connect(S, pack("S a*", 1, "\\0{name}")) ? "connected" : '
            '"refused"\' > $out',
        )
    assert text == "refused"


def test_the_hosts_files_processes_and_environment_are_not_seen(it: Attacker, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    text = says(
        it,
        f"{{ ls -d {secret} {it.store} /root/* /home/*; env; ls -d /proc/[0-9]*; kill -0 {it.pid} && echo found; "
        "cat /proc/1/environ; } > $out 2>&1",
    )
    assert "secret" not in [line for line in text.splitlines() if "cannot access" not in line]
    assert "of the caller" not in text and "found" not in text.replace("not found", "")
    pids = {line for line in text.splitlines() if line.startswith("/proc/")}
    assert len(pids) < 8


def test_the_store_and_the_root_cannot_be_written(it: Attacker) -> None:
    dep = it.build("mkdir $out; echo dep > $out/f", "dep")
    assert dep.out == "f"
    text = says(
        it,
        "for f in /usr/bin/bash /usr/x /etc/passwd /run/fpack/build /run/x /; do "
        "{ echo x >> $f || touch $f/x; } 2>/dev/null && echo wrote $f; chmod 777 $f 2>/dev/null && echo changed $f; "
        "rm -f $f/x 2>/dev/null; done > $out; echo end >> $out",
    )
    assert text == "end\n"


def test_an_input_cannot_be_changed(it: Attacker) -> None:
    from fpack.store.path import STORE

    assert it.build("mkdir $out; echo input > $out/f", "input").out == "f"
    (place,) = (it.store / "store").glob("*-input")
    before = (place / "f").stat()
    text = says(
        it,
        "cat $dep/f > $out; { echo x >> $dep/f || chmod u+w $dep/f || rm -f $dep/f || mv $dep $dep.old || "
        "{ ln -f $dep/f m && chmod u+w m && echo x >> m; }; } 2>/dev/null && echo changed >> $out",
        env={"dep": f"{STORE}/{place.name}"},
    )
    assert text == "input\n"
    after = (place / "f").stat()
    assert (before.st_mtime_ns, before.st_mode, before.st_size) == (after.st_mtime_ns, after.st_mode, after.st_size)


def test_other_builds_are_not_seen_and_not_reached(it: Attacker) -> None:
    text = says(it, "ls -la /build/.. /tmp /fpack/store > $out; ls -ld /build >> $out")
    assert "-it" not in text.replace("-it\n", "")
    for folder in ("tmp", "partial"):
        for place in (it.store / folder).iterdir():
            if place.is_dir():
                assert place.stat().st_mode & 0o077 == 0, place
    assert it.store.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("script", "limits", "words"),
    [
        ("sleep 100", {"seconds": 1}, "more than 1 seconds"),
        ("trap '' TERM INT HUP; while :; do sleep 1; done", {"seconds": 1}, "more than 1 seconds"),
        ("x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; while :; do x=$x$x; done", {"memory": 100 << 20}, "bytes of memory"),
        ("while :; do echo flood flood flood flood; done", {"log": 1 << 20}, "to its log"),
        ("dd if=/dev/zero of=big bs=1M count=100", {"size": 10 << 20}, ""),
        ("i=; while :; do i=x$i; dd if=/dev/zero of=b$i bs=1M count=5; done", {"size": 20 << 20}, "it wrote more"),
        ("f() { f | f & f; }; f", {"processes": 50, "seconds": 3}, ""),
        ("mkdir $out; truncate -s 1T $out/sparse", {}, ""),
    ],
)  # fmt: skip
def test_a_build_that_takes_too_much_is_ended(it: Attacker, script: str, limits: dict[str, int], words: str) -> None:
    paths = it.build("echo x > $out", "before").paths
    answer = it.build(f"( {script} ) 2>/dev/null || {{ echo failed; exit 7; }}", "greedy", limits=limits)
    assert answer.out is None and answer.error
    assert words in answer.error
    assert answer.paths == paths, "something was registered"
    assert answer.left == [], "its files are still there"


def test_a_descriptor_of_the_output_that_is_kept_open_writes_to_nothing_that_is_registered(it: Attacker) -> None:
    # As in CVE-2024-27297: what is registered is another file than the one that the build had.
    says(it, "echo content > $out; stat -c %i $out >&2", name="inode")
    (path,) = (it.store / "store").glob("*-inode")
    answer = it.build("echo content > $out; stat -c %i $out >&2; :", "inode")
    assert answer.lines and int(answer.lines[-1]) != path.stat().st_ino


def test_an_output_that_is_a_planted_link_is_not_followed(it: Attacker, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o750)
    (victim / "secret").write_text("of the host")
    os.chmod(tmp_path, 0o755)
    if it.uid:
        os.chown(victim, it.uid, -1)
    before = victim.stat()
    answer = it.build(f"ln -s {victim} $out", "planted")
    assert answer.out is not None
    (path,) = (it.store / "store").glob("*-planted")
    assert path.is_symlink() and os.readlink(path) == str(victim)
    answer = it.build("mkdir d; ln -s /build/d $out; echo x > d/f", "through")
    (path,) = (it.store / "store").glob("*-through")
    assert os.readlink(path) == "/build/d"
    after = victim.stat()
    assert (before.st_mode, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_mode, after.st_mtime_ns, after.st_ctime_ns,
    )  # fmt: skip


def test_keep_failed_changes_nothing_behind_a_link(it: Attacker, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    victim.chmod(0o600)
    os.chown(victim, 12345 if os.geteuid() == 0 else -1, -1)
    before = victim.stat()
    answer = it.build(
        f"ln -s {victim} link; ln -s {tmp_path} dir; mkdir -p shut/in; echo x > shut/f; chmod 0 shut; exit 1",
        "kept",
        options={"keep_failed": True},
    )
    kept = Path(answer.error.rpartition("its files are in ")[2].split(":")[0])
    assert (kept / "build/link").is_symlink()
    for place in (kept, *kept.rglob("*")):
        assert place.lstat().st_uid == it.uid
    assert kept.stat().st_mode & 0o077 == 0
    after = victim.stat()
    assert (before.st_uid, before.st_mode, before.st_ctime_ns) == (after.st_uid, after.st_mode, after.st_ctime_ns)


def test_a_failed_build_leaves_no_way_into_the_store(it: Attacker) -> None:
    answer = it.build(
        "mkdir $out; chmod 777 $out /build /tmp /fpack/store; echo x > $out/f; chmod 666 $out/f; exit 1", "open"
    )
    assert answer.out is None and answer.left == []
    for place in (it.store / "store").iterdir():
        assert place.is_symlink() or place.stat().st_mode & 0o022 == 0


def test_directories_that_are_shut_do_not_keep_a_build_from_being_deleted(it: Attacker) -> None:
    deep = "/".join(["d" * 200] * 5)
    answer = it.build(f"mkdir -p {deep}/x; mkdir a; echo x > a/f; chmod 0 a/f a {deep}/x {deep}; exit 1", "shut")
    assert answer.error and answer.left == []


def test_a_path_too_long_to_name_is_deleted(it: Attacker) -> None:
    script = (
        "d="
        + "x" * 200
        + "; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do mkdir $d; cd $d; done"
    )
    answer = it.build(f"{script}; exit 1", "long")
    assert answer.error and answer.left == []


@pytest.mark.parametrize(
    "script",
    [
        'mkdir $out; perl -e \'symlink "a" x 4095, "$ENV{out}/l" or die; mkdir "$ENV{out}/$_" for 1..3\'',
        "mkdir -p $out/" + "/".join("a" * 66),
    ],
)
def test_what_is_too_deep_or_too_long_ends_in_an_error_or_in_the_store(it: Attacker, script: str) -> None:
    answer = it.build(script, "extreme")
    assert answer.left == []
    assert (answer.out is None) == bool(answer.error)


def test_a_place_that_another_builds_output_holds_is_no_mention_of_itself(it: Attacker) -> None:
    from fpack.builders.exec_output import place_of

    place = place_of("victim", "out")
    holder = it.build(f"a={str(place)[:30]}; echo ${{a}}{str(place)[30:]} > $out", "holder")
    assert holder.out == f"{place}\n"
    answer = it.build("echo $out > $out", "victim")
    assert answer.out is not None and place.hash not in answer.out


def test_files_beside_the_filter_and_the_options_are_not_left_open(it: Attacker) -> None:
    text = says(it, "ls -l /proc/self/fd > $out")
    targets = [line.rpartition(" -> ")[2] for line in text.splitlines() if " -> " in line]
    assert not [t for t in targets if "memfd" in t or "socket" in t or str(it.store) in t]


def test_the_same_build_comes_out_the_same_whoever_runs_it_and_where() -> None:
    script = (
        'mkdir -p $out/bin; echo "#!/usr/bin/bash\necho $out $CORES_UNUSED" > $out/bin/x; chmod +x $out/bin/x; '
        "ln -s $out/bin/x $out/y; id > $out/id; hostname >> $out/id; env | while read l; do case $l in CORES=*) ;; "
        "*) echo $l >> $out/env;; esac; done; stat -c '%A %u %g' $out/bin >> $out/id"
    )
    found = []
    for mode in ("root", "rootless"):
        with attacker(mode) as made:
            answer = made.build(script, "same", env={"CORES_UNUSED": "x"})
            assert answer.out is not None, answer.error
            found += [place.name for place in (made.store / "store").glob("*-same")]
    assert len(found) == 2 and found[0] == found[1]


def test_a_shell_opens_in_the_sandbox_of_a_build_that_failed(it: Attacker) -> None:
    text = it.in_terminal(
        "echo made > here; A_VARIABLE=1; exit 1", ["cat here; id -u", "echo $out", "ls /run/fpack", "exit"]
    )
    lines = [line.strip() for line in text.splitlines()]
    assert "made" in lines and "1000" in lines
    assert any(line.startswith("/fpack/store/") and line.endswith("-it") for line in lines)
    assert any("1-build" in line for line in lines)
