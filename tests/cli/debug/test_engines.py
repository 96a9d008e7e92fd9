"""Test which container an engine's answer names. Programs of the test stand for the engines; docker is never run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from fpack.cli.debug import engines
from fpack.cli.errors import UsageError
from fpack.cli.images.engines import EngineError

ID = "ab" * 32


def answer(**changes: Any) -> dict[str, Any]:
    """Return docker's description of a container."""
    return {
        "Id": ID,
        "Name": "/web",
        "State": {"Status": "running", "Running": True, "Paused": False, "Pid": 4321},
        "Config": {"Env": ["A=b", "NUL=\0", 7], "WorkingDir": "/srv", "User": ""},
        **changes,
    }


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make an engine that gives an answer."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, said: Any, status: int = 0, errors: str = "", names: str = "web\nwork\n") -> None:
        (tmp_path / f"{name}.json").write_text(said if isinstance(said, str) else json.dumps([said]))
        (tmp_path / f"{name}.names").write_text(names)
        (tmp_path / f"{name}.errors").write_text(errors)
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/{name}.log\n'
            f'case $1 in ps) while read -r line; do echo "$line"; done < {tmp_path}/{name}.names; exit 0;; esac\n'
            f'while read -r line || [ "$line" ]; do echo "$line"; done < {tmp_path}/{name}.json\n'
            f'while read -r line || [ "$line" ]; do echo "$line"; done < {tmp_path}/{name}.errors >&2\nexit {status}\n'
        )
        program.chmod(0o755)

    return make


def test_a_container_of_docker(engine: Any, tmp_path: Path) -> None:
    engine("docker", answer())
    found = engines.find_container("web")
    assert found is not None and found.asked <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert found._replace(asked=0) == engines.RunningContainer("docker", ID, "web", 4321, ("A=b",), "/srv", "", 0)
    assert (tmp_path / "docker.log").read_text() == "inspect --type container web\n"


def test_a_container_of_podman_goes_first(engine: Any) -> None:
    engine("docker", answer())
    engine("podman", answer(Name="web", OCIConfigPath="/run/config.json"))
    found = engines.find_container("web")
    assert found is not None and (found.engine, found.specification) == ("podman", "/run/config.json")
    engine("podman", "[]", 125, "Error: inspecting object: no such container web")
    found = engines.find_container("web")
    assert found is not None and found.engine == "docker"
    assert engines.find_container("web", "podman") is None


def test_an_engine_that_does_not_work(engine: Any) -> None:
    engine("docker", "[]", 1, "Cannot connect to the Docker daemon\x1b[31m")
    assert engines.find_container("web") is None
    with pytest.raises(EngineError) as caught:
        engines.find_container("web", "docker")
    assert "\x1b" not in str(caught.value.why) and "Cannot connect" in caught.value.why
    with pytest.raises(EngineError, match="not installed"):
        engines.find_container("web", "podman")


@pytest.mark.parametrize(
    "state", [{"Running": False, "Pid": 0}, {"Running": True, "Pid": 0}, {"Running": True, "Paused": True, "Pid": 1}]
)
def test_a_container_that_does_not_run(engine: Any, state: dict[str, Any]) -> None:
    engine("podman", answer(State=state))
    with pytest.raises(UsageError, match="does not run|is paused"):
        engines.find_container("web")


@pytest.mark.parametrize(
    "said",
    [
        "", "[]", "{", "[" * 200_000, "[null]", answer(Id="../../x"), answer(Name="\x1b[2Jx"), answer(State={"Pid": 1}),
        answer(State={"Running": True, "Pid": "x"}), answer(Config={"WorkingDir": ["/"]}), answer(Config=3),
    ],
)  # fmt: skip
def test_an_answer_that_is_malformed(engine: Any, said: Any) -> None:
    engine("podman", said)
    with pytest.raises(EngineError) as caught:
        engines.find_container("web", "podman")
    assert str(caught.value.why).isprintable()


@pytest.mark.parametrize("name", ["", "-f", "--help", "a b", "a/b", "a\0b", "x" * 300, "ä"])
def test_what_no_container_is_called(engine: Any, name: str, tmp_path: Path) -> None:
    """No such name reaches an engine, which would take it as an option."""
    engine("podman", answer())
    assert engines.find_container(name) is None and not (tmp_path / "podman.log").exists()


def test_running_containers_are_completed(engine: Any) -> None:
    from fpack.cli.completion.candidates import COMPLETERS

    engine("docker", "[]", names="web-2\n\x1b[2J\nother\n")
    engine("podman", "[]", names="web\n")
    found = [entry for entry in COMPLETERS["debugged"]("web").candidates if entry[1].startswith("container of")]
    assert sorted(found) == [("web", "container of podman"), ("web-2", "container of docker")]


def test_a_similar_name_is_offered(engine: Any) -> None:
    engine("podman", "[]", 125, "no such container", names="web-server\n\x1b[2J\ndatabase\n")
    error = engines.unknown("web-servre", None)
    assert "did you mean `web-server`?" in error.hint and "podman runs database, web-server" in error.why
