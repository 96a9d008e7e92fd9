"""The order of packages, which depends on names and dependencies alone."""

from __future__ import annotations

from fpack.builders.configure.order import order


def test_dependencies_come_before_what_depends_on_them() -> None:
    depends = {"app": ["lib", "tool"], "lib": ["libc"], "libc": [], "tool": ["lib"]}
    assert order(depends) == ["libc", "lib", "tool", "app"]


def test_the_first_and_the_essential_come_before_others() -> None:
    depends = {name: [] for name in ("zsh", "bash", "base-files", "base-passwd", "apt")}
    depends["bash"] = ["libc"]
    depends["libc"] = []
    assert order(depends, ["bash"]) == ["base-passwd", "base-files", "libc", "bash", "apt", "zsh"]


def test_unknown_names_and_circles_do_no_harm() -> None:
    depends = {"a": ["b", "no-such"], "b": ["c"], "c": ["a", "d"], "d": ["d"]}
    assert order(depends, ["no-such"]) == ["d", "c", "b", "a"]


def test_a_long_chain_is_no_recursion() -> None:
    depends = {f"p{n:05}": [f"p{n + 1:05}"] for n in range(20_000)}
    assert order(depends)[0] == "p19999"
