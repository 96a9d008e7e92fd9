# Packages with a `configure` script.

# flags: words for `configure`. bootstrap: make `configure` first, from configure.ac. cross: for another architecture
# than the machine's, compile with this machine's cross compiler. All else is as in `package`.
autotools({ flags: list = [], bootstrap: bool = false, cross: bool = false, ...given }) =
  let
    c = import("./cross.fp").of(cross, given)
    host = if c == null then "" else " " + import("./cross.fp").configure-words(c)
    tools = ["gcc", "libc6-dev", "make", ...if bootstrap then ["autoconf", "automake", "libtool", "pkgconf"] else []]
    first = if bootstrap then "autoreconf -fi\n" else ""
  in
    import("./common.fp").with-defaults-across(c, given, tools, {
      apart = import("./dependencies.fp").is-edited(given.source or null)
      configure = "${first}./configure --prefix=\"$out\"${host}${import("./common.fp").words(flags)}"
      build = "make -j$CORES"
      check = if c == null then import("./make.fp").tests("make", "") else null
      install = "make install"
      env = { CFLAGS = "-O2", CXXFLAGS = "-O2" }
    })
