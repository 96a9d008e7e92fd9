"""Files of strangers, in /tmp for example, are nobody's project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.store.files.owners import danger, find_above, is_believed

STRANGER = 54321


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a directory two levels below one that others can write to."""
    (tmp_path / "shared/mine/sub").mkdir(parents=True)
    return tmp_path / "shared/mine/sub"


def test_the_nearest_file_counts(folder: Path) -> None:
    above = folder.parent.parent
    assert find_above(str(folder), "p") is None
    (above / "p").write_text("")
    assert find_above(str(folder), "p") == str(above)
    (folder.parent / "p").mkdir()
    assert find_above(str(folder), "p") == str(above)
    (folder / "p").symlink_to(above / "p")
    assert find_above(str(folder), "p") == str(folder)
    assert find_above(str(folder / "absent"), "p") == str(folder)
    assert find_above("/", "no-such-file") is None


def pretend(monkeypatch: pytest.MonkeyPatch, owners: dict[str, int]) -> None:
    """Tell other owners of some paths."""

    def owned(look: object) -> object:
        def found(path: str) -> os.stat_result:
            status = look(path)  # type: ignore[operator]
            return os.stat_result((*status[:4], owners.get(os.fspath(path), status.st_uid), *status[5:10]))

        return found

    monkeypatch.setattr("fpack.store.files.owners.os.stat", owned(os.stat))
    monkeypatch.setattr("fpack.store.files.owners.os.lstat", owned(os.lstat))


def test_a_strangers_file_above_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    above = folder.parent.parent
    (above / "p").write_text("")
    (above.parent / "p").write_text("")
    pretend(monkeypatch, {str(above / "p"): STRANGER})
    assert find_above(str(folder), "p") == str(above.parent)
    assert find_above(str(above), "p") == str(above.parent)


def test_a_strangers_link_to_ones_own_file_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own").write_text("")
    (folder.parent / "p").symlink_to(folder / "own")
    monkeypatch.undo()
    links = {str(folder.parent / "p"): STRANGER}
    look = os.lstat

    def lstat(path: str) -> os.stat_result:
        status = look(path)
        return os.stat_result((*status[:4], links.get(os.fspath(path), status.st_uid), *status[5:10]))

    monkeypatch.setattr("fpack.store.files.owners.os.lstat", lstat)
    assert find_above(str(folder), "p") is None


def test_a_project_of_another_in_which_one_works_is_theirs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = folder.parent
    (project / "p").write_text("")
    pretend(monkeypatch, {str(project / "p"): STRANGER, str(project): STRANGER, str(folder): STRANGER})
    assert find_above(str(folder), "p") == str(project)


def test_whose_files_are_believed(tmp_path: Path) -> None:
    status = os.stat(tmp_path)
    other = os.stat_result((*status[:4], STRANGER, *status[5:10]))
    assert is_believed(status) and is_believed(os.stat("/"))
    assert not is_believed(other)
    assert is_believed(other, STRANGER)


def test_a_directory_that_only_its_user_can_replace(folder: Path) -> None:
    folder.chmod(0o700)
    assert danger(str(folder)) == ""
    (folder.parent / "link").symlink_to(folder.parent)
    assert danger(str(folder.parent / "link/sub")) == ""
    with pytest.raises(FileNotFoundError):
        danger(str(folder / "absent"))
    # In a directory such as /tmp, others can add, and change only what is theirs.
    folder.parent.parent.chmod(0o1777)
    assert danger(str(folder)) == ""


@pytest.mark.parametrize("fault", ["mode", "group", "above", "link", "file"])
def test_a_directory_that_others_can_write_to(folder: Path, fault: str) -> None:
    place = folder
    if fault == "above":
        folder.parent.parent.chmod(0o777)
    elif fault == "link":
        place = folder.parent / "link"
        place.symlink_to(folder)
    elif fault == "file":
        place = folder / "file"
        place.touch()
    else:
        folder.chmod(0o702 if fault == "mode" else 0o720)
    assert danger(str(place)) != ""


def test_a_directory_that_another_user_could_replace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns a directory above, or a link on the way, can put another in its place."""
    folder.chmod(0o700)
    (folder.parent / "link").symlink_to(folder.parent)
    there = str(folder.parent / "link/sub")
    for place in (folder, folder.parent, folder.parent.parent, folder.parent / "link"):
        with monkeypatch.context() as patch:
            pretend(patch, {str(place): STRANGER, there: STRANGER if place == folder else os.geteuid()})
            assert str(STRANGER) in danger(there), place
    with monkeypatch.context() as patch:
        pretend(patch, {str(folder.parent): 65534})
        assert "65534" in danger(there), "it is a user where all numbers are"
