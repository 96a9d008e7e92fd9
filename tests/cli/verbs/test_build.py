"""`fpack build`'s ways to say why, and to look again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.tree_diff import cause, compare
from fpack.cli.builds.explain import Explainer
from fpack.store.derivation import Derivation, Output
from fpack.store.files.source import SourceTree
from fpack.store.path import StorePath
from support.stores.builds import builds


@pytest.mark.parametrize(
    ("one", "two", "word"),
    [
        (b"\x1f\x8b\x08\x00AAAAxx", b"\x1f\x8b\x08\x00BBBBxx", "gzip"),
        (b"PK\x03\x04......1111", b"PK\x03\x04......2222", "zip"),
        (b"built at 12:30:01", b"built at 12:30:02", "time"),
        (b"in /build/a1", b"in /build/b2", "build directory"),
        (b"abcdef", b"fedcba", "different order"),
        (b"abc", b"xyz", ""),
    ],
)
def test_known_causes_are_named(one: bytes, two: bytes, word: str) -> None:
    found = cause(one, two)
    assert word in found if word else found == ""


def test_trees_are_compared_down_to_the_file(tmp_path: Path) -> None:
    for name, text in (("a", "1"), ("b", "2")):
        (tmp_path / name / "d").mkdir(parents=True)
        (tmp_path / name / "d/f").write_text(text)
        (tmp_path / name / "same").write_text("same")
    (tmp_path / "b" / "only").symlink_to("x")
    found = {each.path: each.what for each in compare(tmp_path / "a", tmp_path / "b")}
    assert found == {"d/f": "has different content", "only": "exists in one tree only"}


def test_explain_names_the_file_the_phase_and_the_input_that_changed(tmp_path: Path) -> None:
    from fpack.builders.kinds.source import SourceBuilder

    with builds(tmp_path / "store", tools=("bash", "cat")) as world:
        project = tmp_path / "project"
        project.mkdir()
        (project / "a.c").write_text("one")
        (project / "b.c").write_text("same")
        sources: dict[str, Path] = {}

        def graph(script: str) -> Output:
            tree = SourceTree().hash(project).hex()
            sources[tree] = project
            source = world.add(Derivation("source", "project", {"tree": tree}))
            return world.drv(script, "app-1.0", inputs=[source], env={"source": world.hole(source)})

        def explain(output: Output) -> str:
            return "\n".join(Explainer(world.store, world.bodies, sources).lines(output))

        first = graph("cat $source/a.c > $out")
        assert "it was never built" in explain(first)
        world.realise(first, source=SourceBuilder(sources))
        assert "is already built" in explain(first)
        (project / "a.c").write_text("two")
        text = explain(graph("cat $source/a.c > $out; :"))
        assert f"{project}/a.c changed" in text and "b.c" not in text
        assert "phase build changed" in text


def test_explain_says_which_input_may_come_out_as_before(tmp_path: Path) -> None:
    with builds(tmp_path / "store", tools=("bash", "cat")) as world:

        def graph(script: str, own: str = ":") -> Output:
            below = world.drv(script, "below-1.0")
            env = {"below": world.hole(below)}
            left = world.drv("cat $below > $out", "left-1.0", inputs=[below], env=env)
            right = world.drv("cat $below > $out", "right-1.0", inputs=[below], env=env)
            env = {"left": world.hole(left), "right": world.hole(right)}
            return world.drv(f"{own}; cat $left $right > $out", "app-1.0", inputs=[left, right], env=env)

        def explain(output: Output) -> list[str]:
            return list(Explainer(world.store, world.bodies, {}).lines(output))

        world.realise(graph("echo one > $out"))
        lines = explain(graph("echo one > $out # a comment"))
        assert lines[0] == "app-1.0 must be built, unless left-1.0 and right-1.0 are unchanged after a rebuild:"
        # What is below both is told once, under the first of them.
        assert len([line for line in lines if line.endswith("t-1.0 changed, too")]) == 1
        assert explain(graph("echo two > $out", own="true"))[0] == "app-1.0 must be built:"


def test_a_build_that_comes_out_otherwise_is_caught(tmp_path: Path) -> None:
    from fpack.builders.kinds.exec import ExecBuilder
    from fpack.builders.scheduler.rebuild import Rebuilder
    from fpack.builders.scheduler.reporter import Reporter

    with builds(tmp_path / "store", tools=("bash",)) as world:
        for script, same in (("echo x > $out", True), ("echo $EPOCHSECONDS > $out", False), ("echo $out > $out", True)):
            output = world.drv(script, "again")
            world.realise(output)
            with Rebuilder(world.store, output.derivation, Reporter(), assemble) as again:
                (compared,) = again.run(ExecBuilder(world.executor))
                assert compared.same is same
                if not same:
                    (difference,) = compare(world.store.disk(compared.path), compared.rebuilt)
                    assert "date or time" in difference.cause
        assert not list(world.store.session.directory.iterdir())


def test_an_input_that_is_not_there_is_built_for_the_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache had the output, so nothing needed its inputs."""
    from fpack.builders.kinds.exec import ExecBuilder
    from fpack.builders.scheduler.rebuild import Rebuilder
    from fpack.builders.scheduler.reporter import Reporter

    with builds(tmp_path / "store", tools=("bash", "cat")) as world:
        low = world.drv("echo low > $out", "low")
        top = world.drv("cat $low > $out", "top", inputs=[low], env={"low": world.hole(low)})
        world.realise(top)
        found, keep = world.store.built([low]), world.store.keep
        monkeypatch.setattr(world.store, "keep", lambda paths: list(paths) != found and keep(paths))
        asked: list[object] = []

        def realise(outputs: Sequence[Output]) -> list[StorePath]:
            asked.extend(outputs)
            return found or []

        with Rebuilder(world.store, top.derivation, Reporter(), assemble, realise) as again:
            (compared,) = again.run(ExecBuilder(world.executor))
        assert compared.same and asked[0] == low


def test_the_scheduler_says_what_was_cut_off_and_by_what(tmp_path: Path) -> None:
    from fpack.builders.kinds.exec import ExecBuilder
    from fpack.builders.scheduler.reporter import Reporter
    from fpack.builders.scheduler.scheduler import Scheduler

    with builds(tmp_path / "store", tools=("bash", "cat")) as world:
        for comment in ("one", "two"):
            low = world.drv(f"# {comment}\necho low > $out", "low")
            top = world.drv("cat $low > $out", "top", inputs=[low], env={"low": world.hole(low)})
            scheduler = Scheduler(
                world.store,
                {"exec": ExecBuilder(world.executor)},
                Reporter(),
                assemble=assemble,
                bodies=world.bodies,
            )
            scheduler.realise([top])
        assert scheduler.cut_off == {"top": ["low"]}
