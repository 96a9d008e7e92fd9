# Packages with a Makefile.

# flags: words for every `make`, such as "USE_TLS=yes". target: what to build, instead of the default target. cross: for
# another architecture than the machine's, compile with this machine's cross compiler. bsd: the Makefile is for BSD's
# make, as one with `.include <bsd.prog.mk>`: see `bsd.fp`. All else is as in `package`.
make({ flags: list = [], target: string = "", cross: bool = false, bsd: bool = false, ...given }) =
  let
    across = import("./cross.fp")
    c = across.of(cross, given)
    own = if bsd then import("./bsd.fp") else gnu
    words = import("./common.fp").words([...own.flags, ...flags])
    goal = if target == "" then "" else " ${target}"
    all = if c == null then words else " \"\${crossed[@]}\"${words}"
  in import("./common.fp").with-defaults-across(c, given, ["gcc", "libc6-dev", own.make], {
    apart = import("./dependencies.fp").is-edited(given.source or null)
    build = (
      if c == null then "" else across.make-arguments(c, words)
    ) + own.prepare + "${own.make} -j$CORES${all}${goal}"
    check = if c == null then tests(own.make, all) else null
    install = own.install(all)
  })

gnu = {
  make = "make"
  flags = []
  prepare = ""
  install = words => "make install PREFIX=\"$out\" prefix=\"$out\"${words}"
}

# Run the target `check` or `test` of the Makefile, if it has one.
tests(make, flags) = """
  for target in check test; do
    if ${make} -n $target${flags} >/dev/null 2>&1; then
      ${make} -j$CORES $target${flags}
      break
    fi
  done
"""
