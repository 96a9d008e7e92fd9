# Packages with a meson.build.

# flags: words for `meson setup`, such as "-Dtests=false". All else is as in `package`.
# A program finds the libraries of its own package by the path that is added here: Meson removes its own path.
meson({ flags: list = [], ...given }) =
  import("./common.fp").with-defaults(given, ["gcc", "libc6-dev", "meson", "ninja-build", "pkgconf"], {
    apart = import("./dependencies.fp").is-edited(given.source or null)
    configure = """
      LDFLAGS="\${LDFLAGS:-} -Wl,-rpath,$out/lib" meson setup /build/objects --prefix="$out" --libdir=lib \\
        --buildtype=release --wrap-mode=nodownload${import("./common.fp").words(flags)}
    """
    build = "meson compile -C /build/objects -j $CORES"
    check = "meson test -C /build/objects --print-errorlogs --num-processes $CORES"
    install = "meson install -C /build/objects --no-rebuild"
  })
