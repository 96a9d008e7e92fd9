"""A container's configuration: checked, explained, and as the OCI specification has it."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.builders.oci import spec
from fpack.builders.oci.config import PATH, oci_config
from fpack.builders.oci.user import resolve_user
from fpack.builders.protocol import BuildError
from support.images.small_images import GROUP, PASSWD


def test_an_empty_one_has_a_path_alone() -> None:
    assert oci_config({}, None, None) == {"Env": [f"PATH={PATH}"]}


def test_a_full_one() -> None:
    config = {
        "entrypoint": ["ignored: it was worked out"],
        "command": ["--port", "80"],
        "env": {"Z": "1", "A": "a=b", "PATH": "/x"},
        "workdir": "/srv",
        "ports": [80, "53/udp", "9000-9002/tcp", "443"],
        "volumes": ["/data"],
        "labels": {"org.example": "x"},
        "stop_signal": "int",
        "healthcheck": {"command": "true", "interval": 30, "timeout": "1m30s", "start_period": "500ms", "retries": 3},
    }
    assert oci_config(config, ["/usr/bin/app"], "999:998") == {
        "User": "999:998",
        "ExposedPorts": {f"{p}": {} for p in ("80/tcp", "53/udp", "9000/tcp", "9001/tcp", "9002/tcp", "443/tcp")},
        "Env": ["A=a=b", "PATH=/x", "Z=1"],
        "Entrypoint": ["/usr/bin/app"],
        "Cmd": ["--port", "80"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Labels": {"org.example": "x"},
        "StopSignal": "SIGINT",
        "Healthcheck": {
            "Test": ["CMD-SHELL", "true"],
            "Interval": 30 * 10**9,
            "Timeout": 90 * 10**9,
            "StartPeriod": 500 * 10**6,
            "Retries": 3,
        },
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"port": [80]}, "did you mean `ports`?"),
        ({"command": "run"}, "a list of strings"),
        ({"command": ["a", 1]}, "a list of strings"),
        ({"env": {"A=B": "x"}}, "name of an environment variable"),
        ({"env": {"": "x"}}, "name of an environment variable"),
        ({"env": {"A": 1}}, "variable A must be a string"),
        ({"env": {"A": "x\0"}}, "variable A must be a string"),
        ({"ports": [0]}, "0 is not a port"),
        ({"ports": [65536]}, "65536 is not a port"),
        ({"ports": [True]}, "true is not a port"),
        ({"ports": ["80/http"]}, "'80/http' is not a port"),
        ({"ports": ["90-80"]}, "'90-80' is not a port"),
        ({"volumes": ["data"]}, "volume is not an absolute path"),
        ({"volumes": ["/a/../b"]}, "write /b"),
        ({"workdir": "srv"}, "directory is not an absolute path"),
        ({"labels": {"a": 1}}, "label 'a' must be a string"),
        ({"stop_signal": "SIGTREM"}, "did you mean `SIGTERM`?"),
        ({"stop_signal": 65}, "no signal 65"),
        ({"healthcheck": "curl"}, "health check of an image must be a record"),
        ({"healthcheck": {"interval": 5}}, "needs a command"),
        ({"healthcheck": {"command": ["x"], "interval": "soon"}}, "'soon' is not a duration"),
        ({"healthcheck": {"command": ["x"], "interval": 0}}, "0 is not a duration"),
        ({"healthcheck": {"command": ["x"], "retries": 0}}, "a number from 1"),
        ({"healthcheck": {"cmd": ["x"]}}, "did you mean `command`?"),
    ],
)
def test_mistakes_are_explained(config: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError) as error:
        oci_config(config, None, None)
    assert message in f"{error.value} {error.value.hint}"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("app", "999:998"),
        ("app:staff", "999:50"),
        ("app:7", "999:7"),
        ("999", "999:998"),
        ("4000", "4000:0"),
        ("4000:50", "4000:50"),
        ("root", "0:0"),
        ("made", "901:902"),
    ],
)
def test_a_user_becomes_numbers(text: str, numbers: str) -> None:
    users = [{"name": "made", "uid": 901, "gid": 902}, {"name": "app", "uid": 1, "gid": 1}]
    assert resolve_user(text, PASSWD + "bad line\nx:y:z\n", GROUP, users, []) == numbers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("apq", "did you mean `app`?"),
        ("nobody-at-all", "app, daemon, root"),
        ("app:none", "no group 'none'"),
        ("", "''"),
    ],
)
def test_an_unknown_user_is_explained(text: str, message: str) -> None:
    with pytest.raises(BuildError) as error:
        resolve_user(text, PASSWD, GROUP, [], [])
    assert message in f"{error.value} {error.value.hint}"


@pytest.mark.parametrize("name", ["app", "a/b", "ghcr.io/me/app", "localhost:5000/x_y/z--w", "a.b-c__d"])
def test_names_that_registries_take(name: str) -> None:
    spec.check_name(name, "1.0_x-y")


@pytest.mark.parametrize(
    ("name", "tag"),
    [("App", "1"), ("a//b", "1"), ("/a", "1"), ("a_", "1"), ("a" * 256, "1"), ("", "1"), ("a", ""), ("a", "-x"),
     ("a", "x" * 129), ("a", "x:y"), ("a:b", "1"), ("a\n", "1"), ("a", "1\n")],
)  # fmt: skip
def test_names_that_registries_refuse(name: str, tag: str) -> None:
    with pytest.raises(BuildError):
        spec.check_name(name, tag)


def test_a_name_without_a_registry_never_passes_for_docker_hubs() -> None:
    names = ["postgres", "me/app", "localhost/app", "ghcr.io/me/app", "host:5000/app"]
    assert [spec.full_name(name) for name in names] == ["localhost/postgres", "localhost/me/app", *names[2:]]


def test_architectures() -> None:
    assert spec.platform("amd64") == {"os": "linux", "architecture": "amd64"}
    assert spec.platform("arm64") == {"os": "linux", "architecture": "arm64", "variant": "v8"}
    with pytest.raises(BuildError, match="vax"):
        spec.platform("vax")


def test_a_document_has_one_form() -> None:
    assert spec.dump({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'.encode()


@pytest.mark.parametrize(
    "config", [{"stop_signal": "9" * 5000}, {"healthcheck": {"command": "x", "interval": "9" * 5000 + "s"}}]
)
def test_numbers_without_end_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(BuildError):
        oci_config(config, None, None)


def test_a_passwd_file_of_numbers_without_end() -> None:
    assert resolve_user("app", f"evil:x:{'9' * 5000}:1::\napp:x:5:6::\n", "", (), ()) == "5:6"
    with pytest.raises(BuildError):
        resolve_user("9" * 5000, "", "", (), ())
