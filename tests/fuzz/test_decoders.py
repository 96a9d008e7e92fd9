"""No bytes crash a decoder, make it hang, fill the memory, or write outside of its directory.

The quick form replays the corpus and some hundreds of mutations, the same each time. The long one is guided by coverage
and needs atheris: `pytest -m long tests/fuzz -k decoders`, for FPACK_FUZZ_SECONDS seconds a decoder.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
MUTATIONS = 60  # of each decoder, in the quick form; the long form without atheris has a hundred times as many
SLOW = {"image": 15, "layout": 25, "deb": 40, "inrelease": 40, "closure-file": 25, "closure-stream": 40}


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


decoders, mutations = _load("decoders"), _load("mutations")
NAMES = sorted(decoders.DECODERS)


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus(name: str) -> None:
    seeds = decoders.DECODERS[name].seeds()
    refused = [data[:100] for data in seeds if not decoders.attempt(name, data)]
    assert not refused, "a seed is not accepted"
    for data in decoders.corpus(name):
        decoders.attempt(name, data)


@pytest.mark.parametrize("name", NAMES)
def test_mutations(name: str) -> None:
    for data in mutations.mutations(decoders.corpus(name), SLOW.get(name, MUTATIONS), 1):
        _attempt(name, data)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_many_mutations(name: str) -> None:
    count = int(os.environ.get("FPACK_FUZZ_MUTATIONS", str(100 * SLOW.get(name, MUTATIONS))))
    for data in mutations.mutations(decoders.corpus(name), count, int(os.environ.get("FPACK_FUZZ_SEED", "2"))):
        _attempt(name, data)


def _attempt(name: str, data: bytes) -> None:
    try:
        decoders.attempt(name, data)
    except BaseException:
        kept = os.environ.get("FPACK_FUZZ_KEEP")
        if kept:
            (Path(kept) / f"{name}-{abs(hash(data)):x}").write_bytes(data)
        print(f"decoder {name}, input {data[:2000]!r}")
        raise


def test_an_attempt_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def outside(data: bytes, folder: Path) -> None:
        (folder.parent / "other").write_bytes(b"")

    def endless(data: bytes, folder: Path) -> None:
        while True:
            pass

    def wrong(data: bytes, folder: Path) -> None:
        raise ValueError("x")

    monkeypatch.setattr(decoders, "SECONDS", 0.2)
    for read, error in ((outside, AssertionError), (endless, decoders.Hang), (wrong, ValueError)):
        monkeypatch.setitem(decoders.DECODERS, "bad", decoders.Decoder(read, list))
        with pytest.raises(error):
            decoders.attempt("bad", b"")


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_guided_by_coverage(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    seconds = int(os.environ.get("FPACK_FUZZ_SECONDS", "60"))
    inputs = tmp_path / "corpus"
    inputs.mkdir()
    for number, data in enumerate(decoders.corpus(name)):
        (inputs / f"seed-{number}").write_bytes(data)
    done = subprocess.run(
        [
            sys.executable, str(HERE / "decode.py"), name, str(inputs), f"-max_total_time={seconds}", "-timeout=30",
            "-rss_limit_mb=2048", "-max_len=100000", f"-artifact_prefix={tmp_path}/",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=seconds + 300,
    )  # fmt: skip
    found = [p for p in tmp_path.iterdir() if p.name.startswith(("crash-", "timeout-", "oom-"))]
    shown = "\n".join(repr(p.read_bytes()[:4000]) for p in found)
    assert done.returncode == 0, f"{shown}\n{done.stderr[-6000:]}"
