# The crates of a Rust program, compiled as a derivation of its own: cargo's `target` without anything of the program.
# Cargo compares a crate by the checksum of its archive, its features and the flags, so that it takes what it would
# compile to that. It compares the program's own crates by times, so nothing of these may stay.

apart = import("./dependencies.fp")

# The package of the compiled crates, or null if they cannot be compiled apart. flags: words for cargo. cross: of a cross
# build, see `cross.fp`.
crates(cross, given, tools, vendor, flags, configure, env) =
  let source = apart.skeleton(given, "rust", { vendor }) in
  if source == null then null
  else apart.compiled-across(cross, given, "crates", tools, {
    # Tests have crates and features of their own, so these are compiled too, unless the project has another check.
    build = """
      cargo build --release --offline --locked -j $CORES${flags} || true
      ${if has(given, "check") then ":" else "cargo test --no-run --release --offline --locked -j $CORES${flags} || true"}
    """
    check = null
    # Programs that crates run in the build are for the machine.
    ...if cross == null then {} else { foreign = ["/**"] }
    source, configure, install, env
  })

# Cargo compiles a unit without a fingerprint again. The names of units end in a hash of 16 digits.
install = """
  mkdir -p "$out"
  rm -f target/.rustc_info.json target/CACHEDIR.TAG
  for folder in target/*/ target/*/*/; do
    if [ -d "$folder/.fingerprint" ]; then
      find "$folder" -maxdepth 1 -type f -delete
      rm -rf "$folder"/{examples,incremental}
      while read -r each; do
        file=\${each//-/_}
        rm -rf "$folder"/{.fingerprint,build}/"$each"-???????????????? "$folder"/deps/{,lib}"$file"-????????????????{,.*}
      done </build/source/.fpack/crates
    fi
  done
  if [ -d target ]; then cp -r target/. "$out"; fi
"""

# All files get one time: cargo compiles a unit again if a file of its dependencies is newer than its own.
take = """
  if [ -n "\${crates:-}" ]; then
    mkdir -p target
    cp -r "$crates/." target
    chmod -R u+w target
    find target -exec touch -d "@$(date +%s)" {} +
  fi
"""
