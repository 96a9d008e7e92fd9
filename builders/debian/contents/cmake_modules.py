"""Map the packages for which CMake itself has a Find module to what these modules look for.

`find_package(ZLIB)` reads FindZLIB.cmake of CMake, which looks for zlib.h and libz, and no file of a package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .needs import CMAKE, HEADER, LIBRARY, PACKAGE, PC, PROGRAM, BuildNeed

# Found without further packages: parts of the compiler, of the C library or of CMake.
BUILT_IN = frozenset({
    "Threads", "PkgConfig", "OpenMP", "Iconv", "Intl", "UnixCommands", "Backtrace", "CheckFunctionExists",
    "StandardArgs", "OpenACC", "Dart", "CTest", "CPack", "FetchContent", "PackageHandleStandardArgs",
})  # fmt: skip

# The letters stand for kinds of needs; several are alternatives of which the first known one counts.
_KINDS = {"p": PC, "h": HEADER, "l": LIBRARY, "x": PROGRAM, "d": PACKAGE, "c": CMAKE}
_MODULES: Mapping[str, str] = {
    "ALSA": "p:alsa", "Armadillo": "h:armadillo", "ASPELL": "h:aspell.h", "BISON": "x:bison", "BLAS": "d:libblas-dev",
    "Boost": "d:libboost-all-dev", "Bullet": "p:bullet", "BZip2": "h:bzlib.h", "CUPS": "h:cups/cups.h",
    "CURL": "p:libcurl", "Curses": "h:curses.h", "CxxTest": "x:cxxtestgen", "Cygwin": "",
    "DCMTK": "h:dcmtk/config/osconfig.h", "DevIL": "h:IL/il.h", "Doxygen": "x:doxygen", "EXPAT": "p:expat",
    "FLEX": "x:flex", "FLTK": "h:FL/Fl.H", "Fontconfig": "p:fontconfig", "Freetype": "p:freetype2", "GDAL": "p:gdal",
    "Gettext": "x:msgfmt", "GIF": "h:gif_lib.h", "Git": "x:git", "GLEW": "p:glew", "GLUT": "h:GL/glut.h",
    "Gnuplot": "x:gnuplot", "GnuTLS": "p:gnutls", "GSL": "p:gsl", "GTest": "d:libgtest-dev", "GTK2": "p:gtk+-2.0",
    "HDF5": "d:libhdf5-dev", "Hg": "x:hg", "ICU": "p:icu-uc", "ImageMagick": "p:MagickCore",
    "Jasper": "h:jasper/jasper.h", "Java": "d:default-jdk-headless", "JNI": "d:default-jdk-headless",
    "JPEG": "h:jpeglib.h", "LAPACK": "d:liblapack-dev", "LATEX": "d:texlive-latex-base", "LibArchive": "p:libarchive",
    "Libinput": "p:libinput", "LibLZMA": "p:liblzma", "LibXml2": "p:libxml-2.0", "LibXslt": "p:libxslt",
    "LTTngUST": "h:lttng/tracepoint.h", "Lua": "d:liblua5.4-dev", "Lua51": "p:lua5.1", "Lua50": "d:liblua50-dev",
    "MPI": "d:libopenmpi-dev", "MySQL": "h:mysql/mysql.h", "ODBC": "h:sql.h", "OpenAL": "p:openal",
    "OpenCL": "d:ocl-icd-opencl-dev", "OpenGL": "d:libgl-dev,d:libglu1-mesa-dev",
    "OpenSceneGraph": "d:libopenscenegraph-dev", "OpenSSL": "p:openssl", "OpenSP": "h:OpenSP/macros.h",
    "Perl": "x:perl", "PerlLibs": "d:libperl-dev", "PNG": "p:libpng", "PostgreSQL": "p:libpq",
    "Protobuf": "d:libprotobuf-dev,x:protoc", "Python": "x:python3", "Python2": "", "Python3": "x:python3",
    "PythonInterp": "x:python3", "PythonLibs": "d:python3-dev", "Qt4": "", "Ruby": "d:ruby-dev", "SDL": "p:sdl",
    "SDL_image": "p:SDL_image", "SDL_mixer": "p:SDL_mixer", "SDL_net": "p:SDL_net", "SDL_ttf": "p:SDL_ttf",
    "SDL_gfx": "p:SDL_gfx", "SQLite3": "p:sqlite3", "Subversion": "x:svn", "SWIG": "x:swig", "TCL": "d:tcl-dev",
    "Tclsh": "x:tclsh", "TIFF": "p:libtiff-4", "Vulkan": "p:vulkan,x:glslangValidator", "Wget": "x:wget",
    "wxWidgets": "d:libwxgtk3.2-dev", "X11": "p:x11", "XercesC": "p:xerces-c",
    "XalanC": "h:xalanc/XalanTransformer/XalanTransformer.hpp", "XMLRPC": "h:xmlrpc-c/base.h", "ZLIB": "p:zlib",
    "SelfPackers": "", "EGL": "p:egl", "Qt5": "d:qtbase5-dev", "Qt6": "d:qt6-base-dev", "Qt": "d:qt6-base-dev",
    "ECM": "d:extra-cmake-modules", "GLIB2": "p:glib-2.0", "LibUSB": "p:libusb-1.0", "PCRE": "p:libpcre",
    "PCRE2": "p:libpcre2-8", "Zstd": "p:libzstd", "ZSTD": "p:libzstd", "LZ4": "p:liblz4",
    "Readline": "h:readline/readline.h", "READLINE": "h:readline/readline.h", "Ncurses": "p:ncurses",
    "LibEvent": "p:libevent", "Libevent": "p:libevent", "YAML": "p:yaml-0.1", "LibYaml": "p:yaml-0.1",
    "LIBUV": "p:libuv", "LibUV": "p:libuv", "libuv": "p:libuv",
    "FFMPEG": "p:libavcodec,p:libavformat,p:libavutil,p:libswscale",
    "FFmpeg": "p:libavcodec,p:libavformat,p:libavutil,p:libswscale", "SndFile": "p:sndfile", "LIBSNDFILE": "p:sndfile",
    "PortAudio": "p:portaudio-2.0", "PORTAUDIO": "p:portaudio-2.0", "PulseAudio": "p:libpulse", "Ogg": "p:ogg",
    "OGG": "p:ogg", "Vorbis": "p:vorbis,p:vorbisfile", "FLAC": "p:flac", "Opus": "p:opus", "DBus": "p:dbus-1",
    "DBUS": "p:dbus-1", "SDL2_image": "p:SDL2_image", "SDL2_mixer": "p:SDL2_mixer", "SDL2_ttf": "p:SDL2_ttf",
    "SDL2_net": "p:SDL2_net", "GMP": "p:gmp", "MPFR": "p:mpfr", "LibSSH": "p:libssh", "Libssh2": "p:libssh2",
    "UUID": "p:uuid", "Udev": "p:libudev", "UDEV": "p:libudev", "Systemd": "p:libsystemd", "Sphinx": "x:sphinx-build",
    "Asciidoc": "x:asciidoc", "Libpcap": "p:libpcap", "PCAP": "p:libpcap", "Libdrm": "p:libdrm", "Cairo": "p:cairo",
    "Pango": "p:pango", "GTK3": "p:gtk+-3.0", "GTK4": "p:gtk4", "Glib": "p:glib-2.0", "Lzo": "h:lzo/lzo1x.h",
    "LZO": "h:lzo/lzo1x.h", "Snappy": "h:snappy.h", "snappy": "h:snappy.h", "Crypt": "", "LibElf": "p:libelf",
    "LIBELF": "p:libelf", "Capstone": "p:capstone", "CAP": "p:libcap", "FUSE": "p:fuse", "FUSE3": "p:fuse3",
    "Wayland": "p:wayland-client", "XCB": "p:xcb", "Jack": "p:jack", "JACK": "p:jack",
}  # fmt: skip
# The needs of a component of a package, in place of the package's own or besides it.
_COMPONENTS: Mapping[tuple[str, str], str] = {
    ("Python3", "Development"): "d:python3-dev", ("Python", "Development"): "d:python3-dev",
    ("Python3", "Development.Module"): "d:python3-dev", ("Python", "Development.Module"): "d:python3-dev",
    ("Python3", "NumPy"): "d:python3-numpy", ("Python", "NumPy"): "d:python3-numpy",
    ("Java", "Development"): "d:default-jdk-headless", ("X11", "Xext"): "p:xext",
    ("OpenGL", "EGL"): "p:egl", ("OpenGL", "GLES2"): "p:glesv2", ("OpenGL", "GLX"): "d:libgl-dev",
    **{
        (f"Qt{v}", part): f"d:{package}"
        for v, parts in (
            ("5", {
                "Svg": "libqt5svg5-dev", "Multimedia": "qtmultimedia5-dev", "LinguistTools": "qttools5-dev",
                "UiTools": "qttools5-dev", "Help": "qttools5-dev", "Qml": "qtdeclarative5-dev",
                "Quick": "qtdeclarative5-dev", "QuickControls2": "qtquickcontrols2-5-dev",
                "QuickWidgets": "qtdeclarative5-dev", "WebSockets": "libqt5websockets5-dev",
                "SerialPort": "libqt5serialport5-dev", "X11Extras": "libqt5x11extras5-dev",
                "Charts": "libqt5charts5-dev", "WebEngineWidgets": "qtwebengine5-dev",
                "XmlPatterns": "libqt5xmlpatterns5-dev", "Script": "qtscript5-dev",
                "Bluetooth": "qtconnectivity5-dev", "Positioning": "qtpositioning5-dev",
                "Location": "qtlocation5-dev", "OpenGL": "libqt5opengl5-dev", "Designer": "qttools5-dev",
                "TextToSpeech": "libqt5texttospeech5-dev", "Gamepad": "libqt5gamepad5-dev",
                "Sensors": "libqt5sensors5-dev",
            }),
            ("6", {
                "Svg": "qt6-svg-dev", "SvgWidgets": "qt6-svg-dev", "Multimedia": "qt6-multimedia-dev",
                "MultimediaWidgets": "qt6-multimedia-dev", "LinguistTools": "qt6-tools-dev",
                "UiTools": "qt6-tools-dev", "Help": "qt6-tools-dev", "Qml": "qt6-declarative-dev",
                "Quick": "qt6-declarative-dev", "QuickControls2": "qt6-declarative-dev",
                "QuickWidgets": "qt6-declarative-dev", "WebSockets": "qt6-websockets-dev",
                "SerialPort": "qt6-serialport-dev", "Charts": "qt6-charts-dev",
                "WebEngineWidgets": "qt6-webengine-dev", "Core5Compat": "qt6-5compat-dev",
                "Bluetooth": "qt6-connectivity-dev", "Positioning": "qt6-positioning-dev",
                "ShaderTools": "qt6-shadertools-dev", "Designer": "qt6-tools-dev", "TextToSpeech": "qt6-speech-dev",
                "Sensors": "qt6-sensors-dev", "WaylandClient": "qt6-wayland-dev",
            }),
        )
        for part, package in parts.items()
    },
}  # fmt: skip
# Parts of Boost that are libraries have a package each; all others are headers.
_BOOST = frozenset({
    "atomic", "chrono", "container", "context", "contract", "coroutine", "date_time", "exception", "fiber",
    "filesystem", "graph", "iostreams", "json", "locale", "log", "math", "mpi", "nowide", "program_options", "python",
    "random", "regex", "serialization", "stacktrace", "sys" + "tem", "test", "thread", "timer", "type_erasure", "url",
    "wave",
})  # fmt: skip


def cmake_needs(name: str, components: Sequence[str] = (), least: str = "") -> list[BuildNeed]:
    """Return what a `find_package` of CMake needs; nothing if CMake finds it without further packages.

    A package without a Find module of CMake needs its own configuration file.
    """
    if name in BUILT_IN:
        return []
    if name == "Boost":
        parts = [part.lower().replace("unit_test_framework", "test") for part in components]
        parts = [part for part in parts if part in _BOOST]
        return [BuildNeed(PACKAGE, f"libboost-{part.replace('_', '-')}-dev") for part in parts] or [
            BuildNeed(HEADER, "boost/version.hpp")
        ]
    found = _needs(_MODULES[name]) if name in _MODULES else [BuildNeed(CMAKE, name, least)]
    for part in components:
        given = _COMPONENTS.get((name, part))
        found += _needs(given) if given else []
    if name in ("Python3", "Python") and components and "Interpreter" not in components:
        found = [need for need in found if need.kind != PROGRAM]
    return list(dict.fromkeys(found))


def _needs(text: str) -> list[BuildNeed]:
    words = [word.partition(":") for word in text.split(",") if word]
    return [BuildNeed(_KINDS[kind], name) for kind, _, name in words]
