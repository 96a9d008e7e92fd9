"""Builds that take more than they may: each ends with a clear error, and nothing of it stays."""

from __future__ import annotations

import os

import pytest
from support.attacks.builds import Caller, Result, callers

MB = 1 << 20


def ended(caller: Caller, result: Result) -> str:
    """Return the error of a build that failed, once it is sure that nothing is left of it."""
    assert result.path is None, "it was built"
    assert result.new == 0, "something was registered"
    assert caller.children() == [], "a process is alive"
    assert caller.leftovers() == [], "files are left"
    assert caller.strangers() == [], "files in the store are another's"
    assert "bug in fpack" not in result.error, result.error
    return result.error


ATTACKS = {
    # name: script, limits, what the error says
    "sleeps and ignores signals": (
        "trap '' TERM INT HUP QUIT; sleep 60 & sleep 60", {"seconds": 1}, "more than 1 second;"),
    "stops itself": (
        "kill -STOP $$; attacker sleepers 1 & kill -STOP $!; sleep 60", {"seconds": 1}, "more than 1 second;"),
    "private memory": ("attacker memory private 400", {"memory": 100 * MB}, "bytes of memory"),
    "shared memory": ("attacker memory shared 400", {"memory": 100 * MB}, "bytes of memory"),
    "memory in files that are not mapped": ("attacker memory memfd 400", {"memory": 100 * MB}, "bytes of memory"),
    "memory in /dev/shm": ("attacker memory shm 400", {"memory": 100 * MB}, "bytes of memory"),
    **{f"memory in {kind} of System V": (
        f"attacker memory {kind} 400", {"memory": 100 * MB}, "bytes of memory"
    ) for kind in ("sysv", "messages", "semaphores")},
    "memory in many processes": (
        "for i in 1 2 3 4 5 6 7 8; do attacker memory private 400 & done; wait",
        {"memory": 100 * MB}, "bytes of memory"),
    "one file": ("head -c 40000000 /dev/zero > /build/file", {"size": 20 * MB}, "write at most 20971520 bytes"),
    "files without names": ("attacker disk /build 200", {"size": 50 * MB}, "more than 52428800 bytes"),
    "files without names in /tmp": ("attacker disk /tmp 200", {"size": 50 * MB}, "more than 52428800 bytes"),
    "a wide tree": (
        "cd /build; for i in {1..250}; do mkdir d$i; head -c 500000 /dev/zero > d$i/f; done; sleep 20",
        {"size": 50 * MB}, "more than 52428800 bytes"),
    "a deep tree": (
        "attacker deep /build 250 d; cd /build; for i in {1..250}; do cd d; done; "
        "for i in {1..100}; do head -c 1000000 /dev/zero > f$i; done; sleep 20",
        {"size": 50 * MB}, "more than 52428800 bytes"),
    "a wide tree of which only the last part is large": (
        "cd /build; mkdir {1..1000}; n=0; for d in *; do n=$((n + 1)); if [ $n -gt 850 ]; then "
        "head -c 500000 /dev/zero > $d/f; fi; done; sleep 20", {"size": 50 * MB}, "more than 52428800 bytes"),
    "files without content": (
        "cd /build; for i in {1..80}; do mkdir $i; (cd $i; touch {1..100}); done; sleep 20", {"size": 50 * MB},
        "more than 3200 files"),
    "a large output": (
        "mkdir $out; for i in {1..100}; do head -c 1000000 /dev/zero > $out/$i; done", {"size": 50 * MB},
        "are too large"),
    "a hole as large as a disk": (
        "truncate -s 4611686018427387904 $out", {"size": 50 * MB}, "write at most 52428800 bytes"),
    "a log without end": (
        "while :; do echo 0123456789abcdef0123456789abcdef; done", {"log": MB // 4}, "bytes to its log"),
    "a log without lines": (
        "while :; do printf 0123456789abcdef0123456789abcdef; done", {"log": MB // 4}, "bytes to its log"),
    "many processes": ("attacker sleepers 200", {"processes": 50}, "processes"),
    "a fork bomb": ("f() { f | f & }; f; sleep 20", {"processes": 50, "seconds": 10}, "processes"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_takes_too_much_is_ended(caller: Caller, name: str) -> None:
    script, limits, words = ATTACKS[name]
    result = caller.build(script, "greedy", limits=limits)
    error = ended(caller, result)
    # A busy machine may notice while it is written what an idle one finds in the finished outputs.
    found = words in error or (words == "are too large" and "it wrote more than" in error)
    assert found and "all of it was had" not in error and "all of them were had" not in error, error


def test_a_disk_that_is_full_is_named_and_what_filled_it_is_gone() -> None:
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    with callers("root", disk="size=80m,nr_inodes=4000") as (caller,):
        for number, script in enumerate((
            "head -c 200000000 /dev/zero > /build/file",
            "head -c 200000000 /dev/zero > $out",
            "n=0; while mkdir /build/$n; do n=$((n + 1)); done; exit 1",
        )):  # fmt: skip
            error = ended(caller, caller.build(script, f"full-{number}"))
            assert "No space left on device" in error and "the disk of the store is full" in error
        # There is room for the output, and none for it a second time, in the store.
        error = ended(caller, caller.build("head -c 45000000 /dev/urandom > $out", "full"))
        assert "The disk is full" in error
        assert caller.build("echo > $out", "after").path


def test_where_memory_runs_out_the_kernel_takes_a_builds(caller: Caller) -> None:
    assert caller.build("cat /proc/self/oom_score_adj > $out", "score").output.read_text() == "1000\n"
    assert "when memory runs out" in ended(caller, caller.build("bash -c 'kill -9 $$'", "killed"))
