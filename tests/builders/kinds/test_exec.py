"""Builds from a script: what they see, what they leave, and what becomes of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fpack.builders.debian.contents.finder import NeedFinder
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.kinds.exec import ExecBuilder, ExecOptions
from fpack.builders.protocol import BuildError
from fpack.builders.sandbox.executor import RunResult
from fpack.builders.sandbox.spec import Spec
from fpack.builders.scheduler.build_log import OutputLines
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.builders.scheduler.reporter import BuildOutcome
from fpack.store.derivation import build_path
from fpack.store.path import StorePath
from support.stores.builds import Builds, builds
from support.stores.roots import MERGED, add_root, add_slice, add_tree, host_programs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builds]:
    with builds(tmp_path_factory.mktemp("exec") / "store") as made:
        yield made


def fails(world: Builds, *args: object, **more: object) -> BuildError:
    before = len(world.store.database.paths())
    with pytest.raises(BuildsFailed) as raised:
        world.build(*args, **more)  # type: ignore[arg-type]
    assert len(world.store.database.paths()) == before, "something of a build that failed was registered"
    error = raised.value.failures[0][1]
    assert isinstance(error, BuildError)
    return error


def test_an_output_may_be_a_file_a_directory_or_a_symlink(world: Builds) -> None:
    assert world.build("echo hello > $out", "file").read_text() == "hello\n"
    tree = world.build(
        "mkdir -p $out/bin; echo 'echo hi' > $out/bin/hi; chmod +x $out/bin/hi; ln -s hi $out/bin/ho", "tree"
    )
    assert os.access(tree / "bin/hi", os.X_OK) and os.readlink(tree / "bin/ho") == "hi"
    assert tree.stat().st_mode & 0o777 == 0o555 and (tree / "bin/hi").stat().st_mtime == 1
    assert os.readlink(world.build("ln -s /usr/bin/true $out", "link")) == "/usr/bin/true"


def test_phases_run_in_one_shell_in_order_and_are_named_in_the_log(world: Builds) -> None:
    made = world.build(
        {"configure": "x=1; mkdir sub; cd sub", "build": "echo $x $PWD", "install": "echo $x $PWD > $out"}, "phases"
    )
    assert made.read_text() == "1 /build/sub\n"
    assert world.recorder.lines == ["-- configure", "-- build", "1 /build/sub", "-- install"]


def test_the_environment_is_fixed(world: Builds) -> None:
    made = world.build(
        "env > $out; id -u >> $out; hostname >> $out", "environment", env={"PATH": "/opt/bin", "A": "b c"}
    )
    lines = made.read_text().splitlines()
    assert {
        "PATH=/opt/bin:/usr/local/bin:/usr/bin:/bin", "A=b c", "HOME=/build/home", "TMPDIR=/tmp", "LANG=C.UTF-8",
        "TZ=UTC", "SOURCE_DATE_EPOCH=315619200", "PWD=/build",
    } <= set(lines)  # fmt: skip
    assert lines[-2:] == ["1000", "fpack"]
    known = {
        "PATH", "A", "HOME", "TMPDIR", "LANG", "TZ", "SOURCE_DATE_EPOCH", "PWD", "CORES", "USER", "LOGNAME", "SHELL",
        "TERM", "SHLVL", "_", "out",
    }  # fmt: skip
    assert {line.partition("=")[0] for line in lines[:-2]} <= known


def test_signals_are_as_programs_expect_them(world: Builds) -> None:
    ignored = (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)  # as by nohup
    handlers = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR2,))
    try:
        found = world.build("while read -r line; do echo $line; done < /proc/self/status > $out", "signals").read_text()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in zip(ignored, handlers, strict=True):
            signal.signal(number, handler)
    rows = dict(line.split(": ", 1) for line in found.splitlines() if ": " in line)
    assert int(rows["SigBlk"], 16) == 0
    # A file that grows too large is an error of the write, which its program can name. (The C library has two more.)
    assert int(rows["SigIgn"], 16) & 0x7FFFFFFF == 1 << (signal.SIGXFSZ - 1)
    assert world.build("set +o pipefail; (while :; do echo y; done) | head -c 3 > $out", "pipe").read_text() == "y\ny"


def test_what_is_mentioned_is_seen_and_what_is_used_is_referenced(world: Builds) -> None:
    used = add_tree(world.store, "used", {"word": b"used"})
    unused = add_tree(world.store, "unused", {"word": b"unused"})
    (path,) = world.realise(
        world.drv('cat "$a/word" "$b/word" >&2; ls /fpack/store | wc -l >&2 || :; echo "$a" > $out', "refs",
                  env={"a": str(used), "b": str(unused)})
    )  # fmt: skip
    info = world.store.info(path)
    assert info is not None and world.store.closure([path]) == sorted([used, path])


def test_a_payload_that_a_build_names_is_seen_and_one_that_an_input_was_linked_with_is_not(world: Builds) -> None:
    named = add_slice(world.store, "named", {"word": b"used"})
    other = add_slice(world.store, "other", {"word": b""})
    linked = add_tree(world.store, "linked", {"x": f"{other}".encode()}, [other])
    look = 'seen="$(echo /fpack/store/*)"; [[ $seen = *linked* && $seen != *other* ]]'
    script = f'cat "$a/data/word"; {look}; echo "$a" > $out'
    env = {"a": str(named), "b": str(linked)}
    (path,) = world.realise(world.drv(script, "named-payload", env=env))
    assert world.store.closure([path]) == sorted([named, path])


def test_an_output_that_mentions_itself_has_its_own_path_in_it(world: Builds) -> None:
    (path,) = world.realise(world.drv("mkdir $out; echo see $out/b > $out/a; ln -s $out/a $out/b", "self"))
    disk = world.store.disk(path)
    assert (disk / "a").read_text() == f"see {path}/b\n" and os.readlink(disk / "b") == f"{path}/a"
    assert build_path("self", "out").hash.encode() not in (disk / "a").read_bytes()
    (again,) = world.realise(world.drv("mkdir $out; echo see $out/b > $out/a; ln -s $out/a $out/b; :", "self"))
    assert again == path, "the same content has the same path, whatever made it"


def test_a_mention_that_lies_over_the_border_of_two_pieces_is_found(world: Builds) -> None:
    for shift in (20, 5, 40):
        script = f"mkdir $out; {{ dd if=/dev/zero bs={(1 << 20) - shift} count=1 2>/dev/null; echo $out; }} > $out/f"
        (path,) = world.realise(world.drv(script, "border"))
        assert str(path).encode() in (world.store.disk(path) / "f").read_bytes()


@pytest.mark.parametrize("pack", ["gzip -n", "zip"])
def test_a_mention_of_itself_in_a_packed_file_is_refused(world: Builds, pack: str) -> None:
    if pack == "zip":
        # A zip whose one member is stored, as it is.
        script = r"""mkdir $out; perl -e '$d="$ENV{out}\n"; $l=length $d;
        $h=pack("Vvvvvv VVV vv","67324752",20,0,0,0,0,0,$l,$l,1,0);
        print "PK\x03\x04".substr($h,4)."a".$d."PK\x01\x02".pack("vvvvvvVVVvvvvvVV",20,20,0,0,0,0,0,$l,$l,1,0,0,0,0,0,0)
        ."a"."PK\x05\x06".pack("vvvvVVv",0,0,1,1,47,31+$l,0)' > $out/x.jar"""
    else:
        script = f"mkdir $out; echo $out | {pack} > $out/x.gz"
    error = fails(world, script, "packed")
    assert "compressed" in error.what and error.hint


def test_several_outputs_may_mention_each_other_one_way(world: Builds) -> None:
    drv = world.drv("mkdir $out $dev; echo $out > $dev/f; echo $out > $out/f", "two", ("out", "dev"))
    out, dev = world.realise(drv, drv._replace(name="dev"))
    assert dev.name == "two-dev"
    assert (world.store.disk(dev) / "f").read_text() == f"{out}\n"
    assert world.store.closure([dev]) == sorted([out, dev])
    error = fails(world, "echo $out > $dev; echo $dev > $out", "cycle", ("out", "dev"))
    assert "mention each other" in error.what


def test_other_derivations_use_each_output(world: Builds) -> None:
    two = world.drv("echo one > $out; echo two > $dev", "pair", ("out", "dev"))
    dev = two._replace(name="dev")
    made = world.build("cat $in > $out", "user", inputs=[dev], env={"in": world.hole(dev)})
    assert made.read_text() == "two\n"


def test_a_reference_that_is_not_allowed_fails(world: Builds) -> None:
    dep = add_tree(world.store, "dep", {"f": b"dep"})
    env = {"dep": str(dep)}
    assert str(dep) in fails(world, "echo $dep > $out", "no1", env=env, disallowed=[str(dep)]).why
    assert str(dep) in fails(world, "echo $dep > $out", "no2", env=env, allowed=[]).why
    world.build("echo $dep > $out", "yes", env=env, allowed=[str(dep)])
    world.build("cat $dep/f > $out", "none", env=env, allowed=[], disallowed=[str(dep)])


def test_a_failure_names_the_phase_and_shows_the_last_lines(world: Builds) -> None:
    error = fails(world, {"configure": "true", "build": "echo about to fail; (exit 3); echo no"}, "bad")
    assert "phase build" in error.what
    assert "exit status 3" in error.why and "about to fail" in error.why
    assert "--keep-failed" in error.hint
    error = fails(world, {"build": "no-such-program"}, "lacks")
    assert "fpack search --program no-such-program" in error.hint and "--keep-failed" in error.hint
    table = FileTable(memoryview(pack_rows([b"no-such-program\tusr/bin\tits-package\n"])))
    world.options = ExecOptions(files=lambda: NeedFinder(ContentsIndex("trixie", "amd64", 0, [table])))
    assert "add its-package of trixie to `tools`" in fails(world, {"build": "no-such-program"}, "lacks").hint


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("true", "no output"),
        ("mkdir $out; mkfifo $out/f", "neither a file"),
        ("mkdir $out; echo x > /fpack/store/other", "not one of its outputs"),
        ("echo x > $out; rm $out", "no output"),
        ("mkdir -p $out/$(basename $out)" .replace("$(basename $out)", "${out##*/}"), "the output's build path"),
    ],
)  # fmt: skip
def test_what_a_store_cannot_hold_fails_the_build(world: Builds, script: str, words: str) -> None:
    assert words in str(fails(world, script, "strange"))


def test_directories_that_nobody_may_read_are_read(world: Builds) -> None:
    made = world.build("mkdir -p $out/a; echo x > $out/a/b; chmod 0 $out/a/b $out/a $out", "shut")
    assert (made / "a/b").read_text() == "x\n"


def test_a_changed_input_that_comes_out_the_same_rebuilds_nothing_above(world: Builds) -> None:
    def graph(comment: str) -> tuple[Path, dict[str, BuildOutcome]]:
        low = world.drv(f"# {comment}\necho low > $out", "low")
        top = world.drv("cat $low > $out", "top", inputs=[low], env={"low": world.hole(low)})
        (path,) = world.realise(top)
        return world.store.disk(path), dict(world.recorder.outcomes)

    first, outcomes = graph("one")
    assert outcomes == {"low": BuildOutcome.BUILT, "top": BuildOutcome.BUILT}
    second, outcomes = graph("two")
    assert first == second and outcomes == {"low": BuildOutcome.BUILT, "top": BuildOutcome.CUT_OFF}


def test_limits_do_not_change_what_is_built(world: Builds) -> None:
    world.build("echo x > $out", "limited")
    world.build("echo x > $out", "limited", limits={"seconds": 60})
    assert world.recorder.outcomes == [("limited", BuildOutcome.CUT_OFF)]


def test_the_log_is_kept_packed(world: Builds) -> None:
    import zstandard

    drv = world.drv("for i in 1 2 3; do echo line $i; done; echo x > $out", "logged")
    world.realise(drv)
    data = (world.store.root / "logs" / f"{drv.derivation.hex()}.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(data) as stream:
        assert stream.read() == b"line 1\nline 2\nline 3\n"


def elf_of(folder: Path, *options: str) -> bytes:
    """Return a small program of this machine's compiler."""
    source = folder / "x.c"
    source.write_text("int main(void) { return 0; }\n")
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    subprocess.run(["gcc", "-o", folder / "x", source, *options], capture_output=True, check=True)
    return (folder / "x").read_bytes()


def test_a_build_id_depends_on_the_content_alone(world: Builds, tmp_path: Path) -> None:
    ids = ("--build-id=0x" + "ab" * 20, "--build-id=0x" + "cd" * 20)
    programs = [elf_of(tmp_path, f"-Wl,{id_}") for id_ in ids]
    assert programs[0] != programs[1]
    paths = []
    for program in programs:
        tree = add_tree(world.store, "program", {"": program})
        paths += world.realise(world.drv("cp $program $out; chmod +x $out", "built", env={"program": str(tree)}))
    assert paths[0] == paths[1]
    data = world.store.disk(paths[0]).read_bytes()
    assert bytes.fromhex("ab" * 20) not in data and len(data) == len(programs[0])
    assert subprocess.run([world.store.disk(paths[0])]).returncode == 0


def test_a_built_program_keeps_the_payloads_that_it_is_linked_with(world: Builds, tmp_path: Path) -> None:
    from fpack.store.derivation import Derivation, Output, digest

    payload = add_tree(world.store, "payload", {"data/x": b"", "meta": b"x"})
    body = Derivation("slice", "tools", {"payload": str(payload)}).encode()
    world.store.database.add_derivations({digest(body): body})
    world.store.adopt(os.urandom(20), {Output(digest(body)): world.slice})
    tree = add_tree(world.store, "program", {"": elf_of(tmp_path)})
    (path,) = world.realise(world.drv("cp $program $out; chmod +x $out; :", "linked", env={"program": str(tree)}))
    assert world.store.closure([path]) == sorted([payload, path])


def test_a_payload_that_was_deleted_is_built_again_before_a_program_is_linked_with_it(
    world: Builds, tmp_path: Path
) -> None:
    from fpack.store.derivation import Derivation, Output, digest

    output = world.add(Derivation("text", "payload", {"text": "x"}))
    (payload,) = world.realise(output)
    body = Derivation("slice", "tools", {"payload": world.hole(output)}, (output,)).encode()
    world.store.database.add_derivations({digest(body): body})
    world.store.adopt(os.urandom(20), {Output(digest(body)): world.slice})
    world.store.invalidate([payload])
    tree = add_tree(world.store, "program", {"": elf_of(tmp_path)})
    (path,) = world.realise(world.drv("cp $program $out; chmod +x $out; :", "linked-again", env={"program": str(tree)}))
    assert world.store.closure([path]) == sorted([payload, path])
    assert ("payload", BuildOutcome.BUILT) in world.recorder.outcomes


def test_an_early_end_of_the_store_leaves_nothing_behind(world: Builds) -> None:
    world.build("echo x > $out", "tidy")
    assert list(world.store.session.directory.iterdir()) == []
    assert isinstance(world.root, StorePath)


@pytest.mark.parametrize("result", [RunResult(254), RunResult(137), RunResult(0, exceeded="it took too long")])
def test_an_output_that_was_not_stripped_is_no_output(tmp_path: Path, result: RunResult) -> None:
    """Else a machine without resources would give another output of the same derivation."""
    output = tmp_path / "out" / f"{'a' * 32}-x"
    output.parent.mkdir()
    (tmp_path / "control").mkdir()
    shutil.copy("/bin/true", output)

    class Failing:
        def run(self, spec: Any, work: Any) -> RunResult:
            return result

    builder = ExecBuilder(cast(Any, Failing()))
    spec = Spec("", ("/bin/bash", ""), outputs=(output.name,))
    work = SimpleNamespace(directory=tmp_path)
    with pytest.raises(BuildError, match="could not be stripped"):
        builder._strip(spec, cast(Any, work), OutputLines(lambda line: None, 10))


STRIP = b"""\
#!/bin/bash
case " $* " in
  *" -o "*) [[ $* != *fake* ]] ;;
  *full*) echo "strip: $2: No space left on device" >&2; exit 1 ;;
  *fake*) echo "strip: $2: file format not recognized" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize("name", ["fake", "full", "good"])
def test_only_files_that_are_no_objects_may_stay_unstripped(
    world: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tools = {**host_programs("bash", "cp", "chmod"), "usr/bin/strip": STRIP}
    root = add_root(world.store, {"tools": add_slice(world.store, "tools", tools)}, MERGED)
    monkeypatch.setattr(world, "root", root)
    program = add_tree(world.store, "program", {"": elf_of(tmp_path)})
    env = {"program": str(program)}
    if name == "full":
        error = fails(world, "cp $program $out; chmod +x $out", name, env=env)
        assert "could not be stripped" in error.what and "No space left on device" in error.why
    else:
        world.build("cp $program $out; chmod +x $out", name, env=env)
