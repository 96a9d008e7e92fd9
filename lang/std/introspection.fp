# The targets that a package's build system knows, asked in the sandbox of its build after the phase `configure`.

# A derivation with the answers as files. function: the name of the library's function that builds the package.
# Nothing is compiled: what the build system prints for the package's own commands is kept.
answers(function: string, package) =
  if !has(questions, function) then error("The build system of `${function}` cannot list its targets", "function")
  else package.with(old => {
    configure = get(before, function, "") + script(old.configure or null)
    build = null
    check = null
    install = get(questions, function)(script(old.install or null))
    fixup = null
    strip = false
    outputs = ["out"]
  })

script(phase) = if phase == null then "" else phase

# CMake writes its file API's reply if it finds the question.
before = {
  cmake = """
    mkdir -p /build/objects/.cmake/api/v1/query
    touch /build/objects/.cmake/api/v1/query/codemodel-v2
  """
}

questions = {
  cmake = install => """
    mkdir "$out"
    cp /build/objects/.cmake/api/v1/reply/*.json "$out"
    ctest --test-dir /build/objects --show-only=json-v1 >"$out/tests.json" || rm -f "$out/tests.json"
  """
  meson = install => """
    mkdir "$out"
    meson introspect --targets --tests --install-plan /build/objects >"$out/meson.json"
  """
  autotools = printed
  make = printed
  go = install => """
    mkdir "$out"
    go list -e -json=ImportPath,Name,Dir,Module,TestGoFiles,XTestGoFiles ./... >"$out/go.json"
  """
  rust = install => """
    mkdir "$out"
    cargo metadata --no-deps --offline --format-version 1 >"$out/cargo.json"
  """
}

# make prints what it would do for the package's own commands, and its rules, and does none of it.
printed(install) = """
  answers=/build/answers
  mkdir -p $answers
  (
    set +e
    export MAKEFLAGS=nk
    ${install}
    true
  ) </dev/null >$answers/install.txt 2>/dev/null || true
  make -pnk </dev/null >$answers/rules.txt 2>/dev/null || true
  rm -rf "$out"
  mkdir "$out"
  for each in install rules; do head -c 16000000 $answers/$each.txt >"$out/$each.txt"; done
  echo "$out" >"$out/prefix.txt"
"""
