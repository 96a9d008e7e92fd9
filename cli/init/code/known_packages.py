"""Know what packages of PyPI load from the system, which no requirement says. All functions are pure.

Wheels of programs with windows leave out the libraries of X11 and OpenGL, which belong to the machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ..guess import LoadedLibrary

_GL = ("libGL.so.1", "libEGL.so.1")
_QT = (
    *_GL, "libdbus-1.so.3", "libfontconfig.so.1", "libfreetype.so.6", "libglib-2.0.so.0", "libgthread-2.0.so.0",
    "libxkbcommon.so.0", "libxkbcommon-x11.so.0", "libX11-xcb.so.1", "libxcb-cursor.so.0", "libxcb-icccm.so.4",
    "libxcb-image.so.0", "libxcb-keysyms.so.1", "libxcb-randr.so.0", "libxcb-render-util.so.0", "libxcb-shape.so.0",
    "libxcb-xkb.so.1",
)  # fmt: skip
_OPENCV = ("libGL.so.1", "libgthread-2.0.so.0", "libICE.so.6", "libSM.so.6")
# What the libraries in wheels are linked with.
_LINKED: Mapping[str, tuple[str, ...]] = {
    "opencv-python": _OPENCV, "opencv-contrib-python": _OPENCV, "pyqt5": _QT, "pyqt6": _QT, "pyside2": _QT,
    "pyside6": _QT, "pyside6-essentials": _QT, "pyqtwebengine": _QT, "pyqt6-webengine": (*_QT, "libnss3.so"),
    "vtk": (*_GL, "libX11.so.6", "libXrender.so.1"), "open3d": (*_GL, "libX11.so.6", "libgomp.so.1"),
    "mujoco": ("libGL.so.1",), "wxpython": ("libgtk-3.so.0", "libSDL2-2.0.so.0"),
}  # fmt: skip
# What modules of Python load by its name.
_LOADED: Mapping[str, tuple[str, ...]] = {
    "freetype-py": ("libfreetype.so.6",), "python-magic": ("libmagic.so.1",), "pyzbar": ("libzbar.so.0",),
    "cairocffi": ("libcairo.so.2",), "cairosvg": ("libcairo.so.2",), "xcffib": ("libxcb.so.1",),
    "weasyprint": (
        "libgobject-2.0.so.0", "libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz.so.0",
        "libharfbuzz-subset.so.0", "libfontconfig.so.1",
    ),
    "pyusb": ("libusb-1.0.so.0",), "libusb1": ("libusb-1.0.so.0",), "sounddevice": ("libportaudio.so.2",),
    "python-vlc": ("libvlc.so.5",), "psycopg": ("libpq.so.5",), "pyopengl": ("libGL.so.1",),
    "pyglet": ("libGL.so.1", "libX11.so.6"), "moderngl": ("libGL.so.1", "libEGL.so.1"), "glfw": ("libX11.so.6",),
    "pylibdmtx": ("libdmtx.so.0",), "pyscard": ("libpcsclite.so.1",), "pyudev": ("libudev.so.1",),
}  # fmt: skip
# The packages that have these libraries themselves, if they are asked for too.
_COMPLETE: Mapping[str, tuple[str, ...]] = {"psycopg": ("psycopg-binary", "psycopg-c")}


def known_libraries(used: Collection[str]) -> Iterator[LoadedLibrary]:
    """Yield the libraries that packages load. used: the normalised names of the packages that a project asks for."""
    for name in sorted(used):
        if any(other in used for other in _COMPLETE.get(name, ())):
            continue
        for soname in _LINKED.get(name, ()):
            yield LoadedLibrary(soname, f"the wheel of {name}", linked=True)
        for soname in _LOADED.get(name, ()):
            yield LoadedLibrary(soname, f"the package {name}")
