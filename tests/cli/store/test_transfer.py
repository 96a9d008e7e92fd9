"""`store add`, `export` and `import` bring files and closures into a store."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.processes.program import Fpack
from support.time_limits import WAIT

from .conftest import Ask, flip


@pytest.fixture
def other(tmp_path: Path, fpack: Fpack) -> Fpack:
    """Return another user, with a store of their own."""
    return Fpack(tmp_path / "other", fpack.archive)


def test_a_directory_and_a_file(fpack: Fpack, ask: Ask) -> None:
    data = fpack.home / "data"
    (data / "sub").mkdir(parents=True)
    (data / "sub" / "run").write_text("#!/bin/sh\n")
    (data / "sub" / "run").chmod(0o755)
    (data / "link").symlink_to("sub/run")
    (data / ".gitignore").write_text("*.o\n")
    (data / "x.o").write_text("left out")
    done = ask("store", "add", "data")
    disk = Path(done["disk"])
    assert done["path"] == f"/fpack/store/{disk.name}" and disk.name.endswith("-data")
    assert sorted(os.listdir(disk)) == [".gitignore", "link", "sub"] and done["size"] == len("#!/bin/sh\n*.o\n")
    assert os.access(disk / "sub" / "run", os.X_OK) and os.readlink(disk / "link") == "sub/run"
    assert fpack("store", "add", "data").stdout == f"{done['path']}\n"
    assert fpack("store", "add", "./data/", "--name", "other").stdout.endswith("-other\n")
    file = ask("store", "add", "data/x.o")
    assert Path(file["disk"]).read_text() == "left out" and file["path"].endswith("-x.o")


def test_what_was_added_is_the_source_of_a_build(fpack: Fpack, ask: Ask) -> None:
    (fpack.home / "data").mkdir()
    (fpack.home / "data" / "x").write_text("content")
    path = ask("store", "add", "data")["path"]
    (fpack.home / "fpack.fp").write_text('it = text("it", "${./data}/x")\n')
    built = ask("build", "fpack.fp#it")
    assert Path(built["disk"]).read_text() == f"{path}/x"
    made = [each["kind"] for each in ask("store", "path-info", path)["paths"][0]["made_by"]]
    assert made == ["source"]


def test_a_link_keeps_what_was_added(fpack: Fpack, ask: Ask) -> None:
    (fpack.home / "data").write_text("content")
    path = ask("store", "add", "data", "-o", "kept")["path"]
    ask("store", "add", "fpack.fp")
    fpack("gc")
    assert (fpack.home / "kept").read_text() == "content"
    assert [each["path"] for each in ask("store", "list")["paths"]] == [path]
    assert "existing file" in fpack.fails("store", "add", "data", "-o", "data")
    assert "there is no directory" in fpack.fails("store", "add", "data", "-o", "no/where")


def test_an_image_goes_to_another_store(fpack: Fpack, ask: Ask, other: Fpack) -> None:
    image = ask("build", "fpack.fp#image")
    done = ask("store", "export", "./result", "-o", "image.closure")
    assert done["roots"] == [image["path"]] and done["paths"] == len(ask("store", "closure", "./result")["paths"])
    assert done["bytes"] == (fpack.home / "image.closure").stat().st_size
    imported = Ask(other)("store", "import", fpack.home / "image.closure", "-o", "image")
    assert imported["roots"] == [image["path"]] and len(imported["added"]) == done["paths"]
    assert Ask(other)("store", "verify")["intact"]
    other("gc")
    assert len(Ask(other)("store", "list")["paths"]) == done["paths"]
    again = Ask(other)("store", "import", fpack.home / "image.closure")
    assert again["added"] == [] and again["present"] == done["paths"]
    other("store", "export", "image")
    (name,) = other.home.glob("*.closure")
    assert name.read_bytes() == (fpack.home / "image.closure").read_bytes()


def test_a_pipe_between_two_stores(fpack: Fpack, ask: Ask, other: Fpack) -> None:
    path = ask("build", "fpack.fp#words")["path"]
    writer = subprocess.Popen(
        fpack.command("store", "export", path, "-o", "-"), cwd=fpack.home, env=fpack.env, stdout=subprocess.PIPE
    )
    done = subprocess.run(
        other.command("store", "import", "-"), cwd=other.home, env=other.env, stdin=writer.stdout, capture_output=True
    )
    assert writer.stdout is not None
    writer.stdout.close()
    assert writer.wait() == 0 and done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"{path}\n" and b"1 path added" in done.stderr


def test_several_paths_and_their_links(fpack: Fpack, ask: Ask, other: Fpack) -> None:
    (fpack.home / "a").write_text("a")
    (fpack.home / "b").write_text("b")
    paths = [ask("store", "add", name)["path"] for name in "ab"]
    fpack("store", "export", *paths, "-o", "both")
    roots = Ask(other)("store", "import", fpack.home / "both", "-o", "it")["roots"]
    assert sorted(paths) == sorted(roots)
    assert [Path(os.readlink(other.home / name)).name for name in ("it", "it-2")] == [Path(p).name for p in roots]


def test_what_is_damaged_is_not_exported(fpack: Fpack, ask: Ask) -> None:
    path = ask("build", "fpack.fp#words")["path"]
    flip(fpack.home / "store" / "store" / Path(path).name)
    (fpack.home / "out").write_text("before")
    message = fpack.fails("store", "export", path, "-o", "out", "--force")
    assert "damaged" in message and f"fpack store repair {path}" in message
    assert (fpack.home / "out").read_text() == "before" and not list(fpack.home.glob(".out*"))
    done = fpack("store", "export", path, "-o", "-", status=1)
    assert "error:" in done.stderr


def test_an_existing_file_is_not_replaced(fpack: Fpack, ask: Ask) -> None:
    ask("build", "fpack.fp#words")
    (fpack.home / "precious").write_text("mine")
    for word in ("precious", "./precious"):
        message = fpack("store", "export", "words", "-o", word, status=2).stderr
        assert "already exists" in message and "--force" in message
    assert (fpack.home / "precious").read_text() == "mine"
    fpack("store", "export", "words")
    assert "words.closure already exists" in fpack.fails("store", "export", "words")
    fpack("store", "export", "words", "--force")
    fpack("store", "export", "words", "--force", "-o", "precious")
    assert (fpack.home / "precious").read_bytes() == (fpack.home / "words.closure").read_bytes()
    fpack("store", "export", "words", "-o", "/dev/null")


def test_a_damaged_file_is_not_imported(fpack: Fpack, ask: Ask, other: Fpack) -> None:
    ask("build", "fpack.fp#image")
    fpack("store", "export", "./result", "-o", "file")
    data = (fpack.home / "file").read_bytes()
    for number, bad in enumerate((data[:-1], data[: len(data) // 2], data[:500] + b"x" + data[501:], b"", b"nonsense")):
        (other.home / "bad").write_bytes(bad)
        message = other.fails("store", "import", "bad")
        assert "bad" in message and "closure file" in message and "\n  try:   " in message, number
        assert Ask(other)("store", "list")["paths"] == []
        assert not any((other.home / "store" / "tmp").iterdir())
    (other.home / "bad").write_bytes(data.replace(b"closure 1", b"closure 9", 1))
    assert "format 9" in (message := other.fails("store", "import", "bad")) and "try:" in message
    for word, why in (("nowhere", "No such file"), (".", "Is a directory"), ("x" * 300, "too long"), ("bad/x", "")):
        message = other.fails("store", "import", word)
        assert "cannot be read" in message and why in message and "try:" in message
    for words, text in (("<&-", "standard input"), ("</dev/null", "standard input"), ("<bad", "format 9")):
        shell = Fpack(other.home, other.archive, prefix=("sh", "-c", f'exec "$@" {words}', "sh"))
        assert text in (message := shell.fails("store", "import", "-")) and "try:" in message


def test_what_is_not_a_path_of_the_store(fpack: Fpack, ask: Ask, other: Fpack) -> None:
    path = ask("build", "fpack.fp#words")["path"]
    elsewhere = Ask(other)("build", fpack.home / "fpack.fp#words", "--no-link")["disk"]
    fpack("store", "add", "fpack.fp")

    def refused(text: str, status: int, verb: str = "path-info") -> str:
        message = fpack("store", verb, text, status=status).stderr
        assert "error:" in message
        return message

    assert "no path 'nonsense'" in refused("nonsense", 1)
    assert "no path '/fpack/store/short-name'" in refused("/fpack/store/short-name", 1)
    assert "it is not in the store" in refused("./fpack.fp", 2)
    assert "it is empty" in refused("", 2) and "is not a store path" in refused("/fpack/store/", 2)
    assert "it does not exist" in refused("./nowhere", 2)
    assert "did you mean `words`?" in refused("wrods", 1)
    assert "no such path" in refused(f"/fpack/store/{'0' * 32}-words", 1)
    wrong = path.removesuffix("words") + "sword"
    assert f"did you mean {path}?" in refused(wrong, 1)
    assert f"FPACK_ROOT={other.home / 'store'}" in refused(elsewhere, 1)
    left = fpack.home / "store" / "store" / f"{'1' * 32}-left"
    left.mkdir()
    assert "no build has completed it" in refused(left.name, 1)
    for verb in ("referrers", "closure", "export", "verify", "repair"):
        assert "no path 'nonsense'" in refused("nonsense", 1, verb)
        assert "it does not exist" in refused("./nowhere", 2, verb)


def test_there_is_no_store_yet(other: Fpack) -> None:
    for words in (["verify"], ["repair"], ["list"], ["stats"], ["migrate"], ["path-info", "x"], ["export", "x"]):
        assert "no store yet" in other.fails("store", *words)
    assert "no store" in other.fails("store", "rebuild-database").lower()
    assert not (other.home / "store").exists()


def test_words_that_are_wrong(fpack: Fpack) -> None:
    assert "did you mean `verify`?" in fpack("store", "verfy", status=2).stderr
    assert "does not exist" in fpack("store", "add", "nowhere", status=2).stderr
    assert "not a valid store name" in (message := fpack.fails("store", "add", "fpack.fp", "--name", "a b"))
    assert "try:   for example a_b" in message
    assert "--larger-than" in fpack("store", "list", "--larger-than", "much", status=None).stderr
    assert "cannot be read" in fpack("store", "import", "nowhere", status=2).stderr
    assert "needs PATH" in fpack("store", "path-info", status=2).stderr
    assert "Commands:" in fpack("store", "--help").stdout and "Commands:" in fpack("store", status=2).stderr


def test_a_newer_store_is_left_alone(fpack: Fpack, ask: Ask) -> None:
    import sqlite3

    ask("build", "fpack.fp#words")
    with sqlite3.connect(fpack.home / "store" / "db" / "fpack.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for words in (["verify"], ["list"], ["migrate"], ["export", "./result"]):
        message = fpack.fails("store", *words)
        assert "format 99" in message and "update fpack" in message


def test_completion(fpack: Fpack, ask: Ask) -> None:
    def offered(*words: str) -> list[str]:
        lines = fpack("__complete", "fish", *words).stdout.splitlines()
        return [lines[0], *(line.partition("\t")[0] for line in lines[1:])]

    path = ask("build", "fpack.fp#words")["path"]
    assert offered("store", "ver") == ["plain", "verify"]
    assert (
        "rebuild-database" in offered("store", "")
        and "verify\tHash" in fpack("__complete", "fish", "store", "v").stdout
    )
    assert "--larger-than" in offered("store", "list", "--l")
    assert offered("store", "list", "--sort", "s") == ["plain", "size"]
    assert offered("store", "path-info", path[:20]) == ["plain", path]
    assert offered("store", "path-info", Path(path).name[:5]) == ["plain", Path(path).name]
    assert offered("store", "path-info", "./res") == ["files"] and offered("store", "import", "") == ["files"]
    assert offered("store", "nosuch", "") == [""] or offered("store", "nosuch", "") == ["plain"]


def test_an_export_to_a_pipe_or_a_directory_that_is_missing(fpack: Fpack, ask: Ask) -> None:
    (fpack.home / "data").write_text("content" * 10_000)
    path = ask("store", "add", "data")["path"]
    fpack("store", "export", path, "-o", "file")
    pipe = fpack.home / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        fpack("store", "export", path, "-o", "pipe")
        assert reader.communicate()[0] == (fpack.home / "file").read_bytes()
    assert pipe.is_fifo()
    assert "there is no directory" in fpack.fails("store", "export", path, "-o", "no/where")
    assert "there is no directory" in fpack.fails("store", "import", "file", "-o", "no/where")


def test_an_error_of_the_target_is_no_damage(fpack: Fpack, ask: Ask) -> None:
    (fpack.home / "data").write_bytes(os.urandom(3_000_000))
    path = ask("store", "add", "data")["path"]
    limited = Fpack(fpack.home, fpack.archive, prefix=("sh", "-c", "ulimit -f 100; trap '' XFSZ; exec \"$@\"", "sh"))
    for words in (("-o", "file"), ("-o", "-")):
        with open(fpack.home / "out", "wb") as out:
            done = subprocess.run(
                limited.command("store", "export", path, *words), stdout=out, stderr=subprocess.PIPE, text=True,
                cwd=fpack.home, env=fpack.env, timeout=WAIT,
            )  # fmt: skip
        assert done.returncode == 1 and "damaged" not in done.stderr and "large" in done.stderr, done.stderr
