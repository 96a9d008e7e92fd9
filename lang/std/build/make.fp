# Packages with a Makefile.

# flags: words for every `make`, such as "USE_TLS=yes". cross: for another architecture than the machine's, compile with
# this machine's cross compiler. All else is as in `package`.
make({ flags: list = [], cross: bool = false, ...given }) =
  let
    across = import("./cross.fp")
    c = across.of(cross, given)
    words = import("./common.fp").words(flags)
    all = if c == null then words else " \"\${crossed[@]}\"${words}"
  in import("./common.fp").with-defaults-across(c, given, ["gcc", "libc6-dev", "make"], {
    apart = import("./dependencies.fp").is-edited(given.source or null)
    build = (if c == null then "" else across.make-arguments(c, words)) + "make -j$CORES${all}"
    check = if c == null then tests(all) else null
    install = "make install PREFIX=\"$out\" prefix=\"$out\"${all}"
  })

# Run the target `check` or `test` of the Makefile, if it has one.
tests(flags) = """
  for target in check test; do
    if make -n $target${flags} >/dev/null 2>&1; then
      make -j$CORES $target${flags}
      break
    fi
  done
"""
