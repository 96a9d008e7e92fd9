"""Make Python packages for tests, as an index has them: a source with an extension in C, and a wheel."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

# The source of a package whose function `total` exists only if its extension is compiled.
SUMS = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
    "setup.py": "from setuptools import Extension, setup\n"
    'setup(name="sums", version="1.0", ext_modules=[Extension("sums", ["sums.c"])])\n',
    "sums.c": """#include <Python.h>
static PyObject *total(PyObject *self, PyObject *args) {
  long a, b;
  return PyArg_ParseTuple(args, "ll", &a, &b) ? PyLong_FromLong(a + b) : NULL;
}
static PyMethodDef methods[] = {{"total", total, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sums", NULL, -1, methods};
PyMODINIT_FUNC PyInit_sums(void) { return PyModule_Create(&module); }
""",
    "PKG-INFO": "Metadata-Version: 2.1\nName: sums\nVersion: 1.0\n",
}
WORDS = {"words.py": 'ANSWER = "the sum is"\n'}


def sdist(folder: Path, name: str, version: str, files: Mapping[str, str]) -> str:
    """Write NAME-VERSION.tar.gz. Return its SHA-256."""
    place = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(place, "w:gz") as archive:
        for file, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{file}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(place.read_bytes()).hexdigest()


def wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> str:
    """Write a wheel for any system. Return its SHA-256."""
    place = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    full = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},sha256={_record_digest(text)},{len(text.encode())}\n" for file, text in full.items())
    full[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    with zipfile.ZipFile(place, "w") as archive:
        for file, text in full.items():
            archive.writestr(file, text)
    return hashlib.sha256(place.read_bytes()).hexdigest()


def _record_digest(text: str) -> str:
    """Return the SHA-256 of a file as a wheel's RECORD writes it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
