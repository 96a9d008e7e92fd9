"""The poms that a lock of Maven is of: those of the project and of all its modules, wherever these are."""

from __future__ import annotations

import hashlib

from support.language.evaluations import Project

FILES = {
    "a/pom.xml": "<project><modules><module>inner</module></modules></project>",
    "a/inner/pom.xml": "<project>inner</project>",
    "b/c/pom.xml": "<project>c</project>",
    "d/pom.xml": "<project>d</project>",
    "e/pom-other.xml": "<project>e</project>",
}
OTHERS = ("gone", "../outside", "/etc", "empty", "a")  # no modules, or listed before


def test_the_lock_is_of_the_poms_of_all_modules(project: Project) -> None:
    names = ["a", "b/c", " ./d/ ", "e/pom-other.xml", *OTHERS]
    root = "".join(f"<module>{name}</module>" for name in names)
    of = hashlib.sha256("\n".join([root, *FILES.values()]).encode()).hexdigest()
    project.write({f"p/{name}": text for name, text in {"pom.xml": root, "empty/none": "", **FILES}.items()})
    project.write({"outside/pom.xml": "<project/>", "lock.json": f'{{"format": 1, "of": "{of}", "files": {{}}}}'})
    project.build('maven { name = "app", source = ./p, lock = ./lock.json }')
