# Packages with a Makefile.

# flags: words for every `make`, such as "USE_TLS=yes". All else is as in `package`.
make({ flags: list = [], ...given }) =
  let all = import("./common.fp").words(flags) in
  import("./common.fp").with-defaults(given, ["gcc", "libc6-dev", "make"], {
    apart = import("./dependencies.fp").is-edited(given.source or null)
    build = "make -j$CORES${all}"
    check = tests(all)
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
