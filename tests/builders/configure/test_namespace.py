"""The processes of a run: what they import."""

from __future__ import annotations

import json
import subprocess
import sys

from fpack.store import processes

_PACKAGE = "fpack.builders.configure.namespace"
_LIST = f"import json, sys; from {_PACKAGE}.starter import main; print(json.dumps([*sys.modules]))"


def test_only_the_standard_library_is_imported() -> None:
    isolated = processes.PROGRAMS["configure run"].python[:2]
    assert isolated == ("-I", "-S")
    code = f"import sys; sys.path.append({processes._PACKAGES!r}); {_LIST}"
    done = subprocess.run([sys.executable, *isolated, "-c", code], capture_output=True, check=True, text=True)
    found = json.loads(done.stdout)
    assert f"{_PACKAGE}.keeper" in found
    others = [name for name in found if name.partition(".")[0] not in sys.stdlib_module_names | {"__main__"}]
    parents = {"fpack", "fpack.builders", "fpack.builders.configure", _PACKAGE}
    assert [name for name in others if name not in parents and not name.startswith(f"{_PACKAGE}.")] == []
