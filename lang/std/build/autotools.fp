# Packages with a `configure` script.

# flags: words for `configure`. bootstrap: make `configure` first, from configure.ac. All else is as in `package`.
autotools({ flags: list = [], bootstrap: bool = false, ...given }) =
  let
    tools = ["gcc", "libc6-dev", "make", ...if bootstrap then ["autoconf", "automake", "libtool", "pkgconf"] else []]
    first = if bootstrap then "autoreconf -fi\n" else ""
  in
    import("./common.fp").with-defaults(given, tools, {
      apart = import("./dependencies.fp").is-edited(given.source or null)
      configure = "${first}./configure --prefix=\"$out\"${import("./common.fp").words(flags)}"
      build = "make -j$CORES"
      check = import("./make.fp").tests("")
      install = "make install"
      env = { CFLAGS = "-O2", CXXFLAGS = "-O2" }
    })
