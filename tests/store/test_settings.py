"""Settings: an option, a variable, the file and the default, in this order; a file with a mistake is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.store.settings import ACCEPT_EXPIRED, EVAL_TIME, JOBS, MIRRORS, SettingError, configuration_file


def environ(tmp_path: Path, text: str, **more: str) -> dict[str, str]:
    found = {"HOME": str(tmp_path), **more}
    file = Path(configuration_file(found))
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return found


def test_the_order(tmp_path: Path) -> None:
    file = environ(tmp_path, "[eval]\ntime = 7\n")
    assert EVAL_TIME.look_up("9", {**file, "FPACK_EVAL_TIME": "8"})[::2] == (9, "--eval-time")
    assert EVAL_TIME.look_up(None, {**file, "FPACK_EVAL_TIME": "8"})[::2] == (8, "FPACK_EVAL_TIME")
    assert EVAL_TIME.look_up(None, file)[::2] == (7, configuration_file(file))
    assert EVAL_TIME.look_up(None, {"HOME": "/nonexistent"})[::2] == (300, "default")


def test_values_of_each_type(tmp_path: Path) -> None:
    file = environ(tmp_path, '[debian]\nmirror = ["http://a", "http://b"]\naccept-expired = true\n[build]\njobs = 3\n')
    assert MIRRORS.find(None, file) == ("http://a", "http://b")
    assert ACCEPT_EXPIRED.find(None, file) is True and JOBS.find(None, file) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[eval]\ntiem = 3", "There is no setting eval.tiem"),
        ("eval = 3", "There is no setting eval"),
        ("[eval]\ntime = {}", "not a string, a number or a list"),
        ("[eval]\ntime = 'soon'", "eval.time is a number of seconds"),
        ("[eval\n", "not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    file = environ(tmp_path, text)
    with pytest.raises(SettingError, match=said) as caught:
        EVAL_TIME.find(None, file)
    assert caught.value.where == configuration_file(file)


def test_a_relative_directory_of_settings_is_ignored() -> None:
    assert configuration_file({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}) == "/h/.config/fpack/config.toml"
