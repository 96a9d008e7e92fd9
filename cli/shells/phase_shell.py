"""Prepare a shell in which the phases of a package are run by hand: the build's root, its variables, and its phases.

`phase` lists the phases, and `phase unpack build` runs two of them. Exported variables and the working directory are
saved in the build's directory, which persists, so they carry over to the next phase and to later shells.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpack.cli.errors import UsageError
from fpack.cli.workspace.target import Target

from . import emulator
from .cache import CachedShell
from .model import Closure
from .project_directory import ProjectDirectory

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Derivation
    from fpack.store.path import StorePath
    from fpack.store.store import Store

_PHASE = """\
#!/bin/bash
# phase [NAME...]: list the phases of the build, or run some, in the order given.
phases=/run/fpack/phases
if [ $# = 0 ]; then
  for each in "$phases"/*; do each=${each##*/}; echo "${each#*-}"; done
  exit
fi
for name; do
  found=
  for each in "$phases"/*; do
    base=${each##*/}
    if [ "${base#*-}" = "$name" ]; then found=$each; fi
  done
  if [ -z "$found" ]; then
    echo "phase: there is no phase $name; phase alone lists them" >&2
    exit 2
  fi
  (
    cd "$FPACK_BUILD"
    if [ -r .phases ]; then . ./.phases; fi
    umask 022
    export PATH="$FPACK_BUILD_PATH"
    trap 'code=$?; { set -o posix; export -p; printf "cd %q\\n" "$PWD"; } > "$FPACK_BUILD/.phases"; exit $code' EXIT
    set -eu -o pipefail
    echo "-- $name"
    . "$found"
  )
  code=$?
  if [ $code != 0 ]; then
    echo "phase: $name failed with status $code, in $FPACK_BUILD" >&2
    exit $code
  fi
done
"""
_HOOK = """\
mkdir -p "$FPACK_BUILD"
phase() {
  command phase "$@"
  local code=$?
  if [ $# != 0 ] && [ -r "$FPACK_BUILD/.phases" ]; then . "$FPACK_BUILD/.phases"; fi
  return $code
}
export FPACK_BUILD_PATH="$PATH"
if [ -t 0 ] && [ -t 1 ]; then echo "phases:" $(command phase) "- run one with: phase NAME, in $FPACK_BUILD"; fi
"""


def _built_from_source(workspace: Workspace, target: Target) -> Derivation:
    """Return the derivation of a package. Raise UsageError if the target is none that is built from source."""
    from fpack.store import derivation

    evaluator = workspace.evaluator
    value = evaluator.force(workspace.value(target))
    if not evaluator.is_derivation(value) or workspace.field(value, "kind") != "exec":
        raise UsageError(f"{target.text} is not built from source", hint="name a package { ... } of a file")
    return derivation.decode(evaluator.derivations[workspace.output(value).derivation])


def _linker_files(store: Store, args: Mapping[str, Any], search: str, view: Path) -> dict[str, str]:
    """Return the files that put the build's own linker before that of the root; {} if it has none."""
    from fpack.builders.exec import linker
    from fpack.builders.payload.libraries import built_libraries
    from fpack.store.path import parse

    if not args.get("linker"):
        return {}
    libraries = built_libraries(store.disk, [parse(path) for path in args.get("libs") or ()])
    return dict(linker.control_files(store.disk, parse(args["linker"]), search, view, libraries))


def prepare(workspace: Workspace, text: str, directory: str) -> tuple[Target, CachedShell, list[StorePath]]:
    """Build the inputs of the package that `text` names, and return (target, shell, store paths that the shell needs).

    directory: the shell's own directory, which is also named in its lease.
    """
    from fpack.builders.exec import linker
    from fpack.builders.exec.script import phase_name
    from fpack.builders.rootfs.view import assemble
    from fpack.builders.sandbox.links import split_links
    from fpack.store import derivation
    from fpack.store.path import parse

    target = workspace.target(text)
    drv = _built_from_source(workspace, target)
    inputs = list(drv.inputs)
    built = workspace.realise(inputs)
    pairs = {
        output: (derivation.placeholder(output.derivation, path.name, output.name), path)
        for output, path in zip(inputs, built, strict=True)
    }
    args: Any = derivation.resolve(drv, pairs).args
    root = parse(args["root"])
    store = workspace.store
    others = store.closure([path for path in built if path != root])
    home = target.project or (target.file.parent if target.file is not None else None)
    build = f"{directory}/build" if home is None else ProjectDirectory(os.fspath(home)).path("build", drv.name)
    env = {name: str(value) for name, value in (args.get("env") or {}).items()}
    search = env.pop("PATH", "")
    outputs = {output: f"{build}/{output}" for output in drv.outputs}
    fixed = {"TZ": "UTC", "SOURCE_DATE_EPOCH": "315619200", "CORES": str(len(os.sched_getaffinity(0)))}
    phases = [(phase_name(p.get("name")), str(p.get("script"))) for p in args["phases"]]
    view = assemble(store, root)
    linkers = _linker_files(store, args, f"{search}:/usr/local/bin:/usr/bin", view)
    if linkers:
        env["COMPILER_PATH"] = linker.BIN
    slices = {path for path in store.closure([root]) if path != root}
    mounted, links = split_links((str(path), os.fspath(store.disk(path))) for path in others if path not in slices)
    closure = Closure(
        name=drv.name,
        view=os.fspath(view),
        paths=tuple(mounted),
        links=tuple(links),
        search=search,
        env={**fixed, **env, **outputs, "FPACK_BUILD": build},
        hook=_HOOK,
        files={
            "bin/phase": _PHASE,
            **linkers,
            **{f"phases/{n:02}-{name}": text for n, (name, text) in enumerate(phases, 1)},
        },
        emulator=emulator.on_disk(workspace, str(args.get("emulator") or "")),
    )
    result = CachedShell(
        closure=closure,
        project=os.fspath(home) if home is not None else "",
        store=os.fspath(store.root),
        lease=os.path.basename(directory),
        directory=directory,
        paths=tuple(str(path) for path in sorted({*built})),
        shared=(build,),
    )
    return target, result, sorted({*built})
