# Packages with a meson.build.

# flags: words for `meson setup`, such as "-Dtests=false". cross: for another architecture than the machine's, compile
# with this machine's cross compiler. All else is as in `package`.
# A program finds the libraries of its own package by the path that is added here: Meson removes its own path.
meson({ flags: list = [], cross: bool = false, ...given }) =
  let
    across = import("./cross.fp")
    c = across.of(cross, given)
    all = (if c == null then "" else " --cross-file /build/cross/cross.ini") + import("./common.fp").words(flags)
  in import("./common.fp").with-defaults-across(c, given, ["gcc", "libc6-dev", "meson", "ninja-build", "pkgconf"], {
    apart = import("./dependencies.fp").is-edited(given.source or null)
    configure = (if c == null then "" else across.meson-file(c)) + """
      LDFLAGS="\${LDFLAGS:-} -Wl,-rpath,$out/lib" meson setup /build/objects --prefix="$out" --libdir=lib \\
        --buildtype=release --wrap-mode=nodownload${all}
    """
    build = "meson compile -C /build/objects -j $CORES"
    check = if c != null then null else "meson test -C /build/objects --print-errorlogs --num-processes $CORES"
    install = "meson install -C /build/objects --no-rebuild"
  })
