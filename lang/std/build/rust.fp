# Rust programs. Their crates are fetched by the checksums of Cargo.lock, or are in `vendor`, where `cargo vendor` puts them.

# lock: the Cargo.lock whose crates are fetched; `fpack lock` writes that of the source if it has none. vendor: without
# `lock`, the directory of crates within the source. crate: which crate of a workspace is installed, by its directory, or
# several. library: it has no programs; its libraries are installed. flags: words for cargo. apart: compile the crates of
# one program as a derivation of its own, which an edit does not compile again. cross: for another architecture than the
# machine's, let this machine's rustc compile for it. All else is as in `package`.
rust({
  flags: list = [],
  vendor: string = "vendor",
  crate: string | list = ".",
  lock: path | null = null,
  library: bool = false,
  apart: bool = true,
  cross: bool = false,
  ...theirs
}) =
  let
    c = import("./cross.fp").of(cross, theirs)
    mine = with-locker(theirs, lock)
    given = if c == null then mine else { ...mine, libs = [...mine.libs or [], standard-library(c, mine)] }
    all = import("./common.fp").words(flags)
    members = if type(crate) == "list" then crate else [crate]
    # The crate alone is built, so that its features are those of the installed program.
    only = if type(crate) == "list" then join([" --manifest-path \"${m}/Cargo.toml\"" for m in members], "") else ""
    install-programs = join(
      [
        "cargo install --path \"${m}\" --root \"$out\" --no-track --offline --locked -j $CORES${all}"
        for m in members
      ],
      "\n",
    )
    fetched = if lock == null then null else fetch-crates(given, read-toml(lock))
    # A .gitignore may exclude the lock from the source.
    is-ignored = is-own(mine, lock) && !has(read-dir(mine.source), "Cargo.lock")
    script = if fetched == null then from-vendor(vendor)
      else (if is-ignored then "cp \"$cargo_lock\" Cargo.lock\n" else "") + from-store
    variables = {
      CARGO_INCREMENTAL = "0"
      RUSTFLAGS = "--remap-path-prefix=/build=."
      ...if c == null then {} else target-variables(c)
      ...if is-ignored then { cargo_lock = "${lock}" } else {}
      ...if fetched == null then {} else { crate_sources = "${fetched.out}", cargo_config = "${fetched.config}" }
    }
    tools = ["cargo", "gcc", "libc6-dev", "rustc"]
    own = import("./apart-rust.fp")
    crates = if apart && type(crate) == "string" then own.crates(c, given, tools, vendor, all, script, variables)
      else null
  in import("./common.fp").with-defaults-across(c, given, tools, {
    configure = script + if crates == null then "" else own.take
    build = if length(members) > 1 then null
      else "cargo build --release --offline --locked -j $CORES${only}${all}"
    check = if c != null then null
      else "cargo test --release --offline --locked -j $CORES${if length(members) > 1 then " --workspace" else only}${all}"
    install = if library then install-libraries(c) else install-programs
    env = if crates == null then variables else { ...variables, crates = "${crates}" }
  })

# Replace each registry and repository in the lock by the directory, unless the project does so itself.
from-vendor(vendor) = """
  export CARGO_HOME=/build/cargo
  mkdir -p $CARGO_HOME
  if [ -d "${vendor}" ] && ! grep -qs '^ *replace-with' .cargo/config.toml .cargo/config; then
    {
      printf '[source.vendored]\\ndirectory = "%s"\\n' "$PWD/${vendor}"
      printf '[source.crates-io]\\nreplace-with = "vendored"\\n'
      sed -n 's/^source = "\\([^"#]*\\).*/\\1/p' Cargo.lock | sort -u | while read -r each; do
        case $each in
          registry+*/crates.io-index) continue ;;
          registry+*) keys="registry = \\"\${each#registry+}\\"" ;;
          git+*\\?*)
            query=\${each#*\\?}
            address=\${each%%\\?*}
            keys="git = \\"\${address#git+}\\"\\\\n\${query%%=*} = \\"\${query#*=}\\""
            ;;
          git+*) keys="git = \\"\${each#git+}\\"" ;;
          *) keys="registry = \\"$each\\"" ;;
        esac
        printf '[source."%s"]\\n%b\\nreplace-with = "vendored"\\n' "$each" "$keys"
      done
    } >$CARGO_HOME/config.toml
  fi
"""

# The crates are in the store, and seen below /build, so that no result mentions their path. The project's own
# replacement of registries, such as by a mirror, is for downloads.
from-store = """
  export CARGO_HOME=/build/cargo
  mkdir -p $CARGO_HOME
  ln -s "$crate_sources" /build/crates
  cp "$cargo_config" $CARGO_HOME/config.toml
""" + without-replacements

without-replacements = """
  for each in .cargo/config.toml .cargo/config; do
    if [ -f $each ]; then sed -i '/^ *replace-with *=/d' $each; fi
  done
"""

install-libraries(c) = """
  mkdir -p "$out/lib"
  find target/${if c == null then "" else rust-target(c) + "/"}release -maxdepth 1 -type f \\( -name 'lib*.rlib' -o -name 'lib*.a' -o -name 'lib*.so' \\) -exec cp {} "$out/lib/" \\;
"""

# ---- another architecture

# Rust's standard library for the other architecture, which cargo finds in its root.
standard-library(c, given) =
  let release = import("./common.fp").release-of(given) in
  get(import("fpack/debian-package").of-release(release, c.target), "libstd-rust-dev")

# The variables of cargo, of the crate cc and of the crate pkg-config.
target-variables(c) =
  let
    target = rust-target(c)
    name = replace-all(target, "-", "_")
  in {
    CARGO_BUILD_TARGET = target
    ${"CARGO_TARGET_" + upper(name) + "_LINKER"} = "${c.gnu}-gcc"
    ${"CC_" + name} = "${c.gnu}-gcc"
    ${"CXX_" + name} = "${c.gnu}-g++"
    ${"AR_" + name} = "${c.gnu}-ar"
    HOST_CC = "gcc"
    PKG_CONFIG_ALLOW_CROSS = "1"
  }

# Rust's name of what is compiled for.
rust-target(c) = get(targets, c.target)

targets = {
  amd64 = "x86_64-unknown-linux-gnu"
  arm64 = "aarch64-unknown-linux-gnu"
  armel = "armv5te-unknown-linux-gnueabi"
  armhf = "armv7-unknown-linux-gnueabihf"
  i386 = "i686-unknown-linux-gnu"
  loong64 = "loongarch64-unknown-linux-gnu"
  mips64el = "mips64el-unknown-linux-gnuabi64"
  ppc64el = "powerpc64le-unknown-linux-gnu"
  riscv64 = "riscv64gc-unknown-linux-gnu"
  s390x = "s390x-unknown-linux-gnu"
}

# ---- Cargo.lock

# The arguments with what makes the Cargo.lock of a source that has none.
with-locker(given, lock) =
  if !is-own(given, lock) then given
  else {
    ...given
    extra = {
      ...given.extra or {}
      locker = { name = "Cargo.lock", out = resolved(given).out, directory = given.source }
    }
  }

# Whether a lock is the Cargo.lock of the source, be it there or not.
is-own(given, lock) =
  let source = given.source or null in type(source) == "path" && lock == source + "/Cargo.lock"

# A derivation in which cargo resolves the crates. Its only registry is the one that fpack serves.
resolved(given) =
  let
    common = import("./common.fp")
    asked = common.with-defaults(given, ["cargo", "rustc", "socat"], {})
  in derivation {
    kind = "resolve"
    name = "Cargo.lock"
    root = asked.root
    shell = "/bin/bash"
    phases = [{ name = "unpack", script = asked.unpack }, { name = "resolve", script = resolve-crates }]
    env = { source = "${given.source}" }
    repositories = ["cargo-index:${crates-io}/"]
  }

# Versions that the compiler is too old for are avoided.
resolve-crates = """
  export CARGO_HOME=/build/cargo CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback
  mkdir -p $CARGO_HOME
  printf '[source.crates-io]\nreplace-with = "fpack"\n[source.fpack]\nregistry = "sparse+http://127.0.0.1:8000/"\n' >$CARGO_HOME/config.toml
  ${without-replacements}
  socat TCP-LISTEN:8000,bind=127.0.0.1,fork,reuseaddr UNIX-CONNECT:/build/repository &
  until (: </dev/tcp/127.0.0.1/8000) 2>/dev/null; do sleep 0.1; done
  cargo generate-lockfile
  cp Cargo.lock "$out"
  # This shell is not among the processes that are killed.
  kill -KILL -1 || :
  wait || :
"""

crates-io = "registry+https://github.com/rust-lang/crates.io-index"
crates-io-sparse = "sparse+https://index.crates.io/"

# The crates of a lock as directories that cargo reads, and the settings of cargo that name them.
fetch-crates(given, data) =
  let
    found = [locked(p, get(data, "metadata", {})) for p in get(data, "package", []) if has(p, "source")]
    sources = sort(unique([c.source for c in found]))
    numbers = { ${get(sources, i)} = "${i}" for i in range(length(sources)) }
    lines = ["${get(numbers, c.source)} ${c.name}-${c.version} ${c.checksum} ${archive(c)}\n" for c in found]
    listing = text("crates.txt", join(lines, ""))
    settings = [
      "[source.fpack-${get(numbers, s)}]\ndirectory = \"/build/crates/${get(numbers, s)}\"\n\n" + replaced(
        s,
        get(numbers, s),
      )
      for s in sources
    ]
    unpacked = package {
      name = "crates"
      env = { crates = "${listing}" }
      strip = false
      fixup = null
      install = if found == [] then "mkdir $out" else unpack-crates
      ...{ ${k} = get(given, k) for k in ["release", "platform"] if has(given, k) }
      tools = import("./common.fp").debian-tools(given, ["tar"])
    }
  in { out = unpacked.out, config = text("config.toml", join(settings, "")) }

replaced(source, number) =
  if source == crates-io then "[source.crates-io]\nreplace-with = \"fpack-${number}\"\n\n"
  else "[source.from-${number}]\nregistry = ${to-json(replace-all(source, "^registry\\+", ""))}\nreplace-with = \"fpack-${number}\"\n\n"

locked(p, metadata) =
  let
    name = p.name
    version = p.version
    where = if p.source == crates-io-sparse then crates-io else p.source
    checksum = get(p, "checksum", get(metadata, "checksum ${name} ${version} (${p.source})", ""))
  in
    if match(name, "[A-Za-z0-9_][A-Za-z0-9_-]*") == null || match(version, "[0-9][0-9A-Za-z.+-]*") == null then
      error("The lock has a crate of an invalid name or version: ${to-json(name)} ${to-json(version)}", "lock")
    else if starts-with(where, "git+") then
      error(
        "The crate ${name} comes from git, which has no checksum: run cargo vendor, which puts the crates into vendor/, and leave out `lock`",
        "lock",
      )
    else if match(checksum, "[0-9a-f]{64}") == null then error("The lock has no checksum of the crate ${name}", "lock")
    else { source = where, name, version, checksum }

archive(c) = derivation {
  kind = "fetch"
  name = store-name("${c.name}-${c.version}.crate")
  urls = [
    if c.source == crates-io then "cargo:${crates-io}/${c.name}/${c.version}/${c.checksum}/${c.name}-${c.version}.crate"
    else "cargo:${c.source}/${c.name}/${c.version}/${c.checksum}/${c.name}-${c.version}.crate",
  ]
  sha256 = c.checksum
  size = null
  executable = false
}

# Nothing is taken from an archive but the files of its own directory.
unpack-crates = """
  while read -r source name checksum archive; do
    mkdir -p "$out/$source" /build/crate
    tar -xzf "$archive" -C /build/crate --no-same-owner --no-same-permissions
    if [ ! -f "/build/crate/$name/Cargo.toml" ] || [ "$(ls -A /build/crate)" != "$name" ]; then
      echo "error: the archive of the crate $name has files outside of $name, or no Cargo.toml" >&2
      exit 1
    fi
    if [ -n "$(find /build/crate ! -type f ! -type d -print -quit)" ]; then
      echo "error: the archive of the crate $name has links or devices" >&2
      exit 1
    fi
    printf '{"files":{},"package":"%s"}' "$checksum" >"/build/crate/$name/.cargo-checksum.json"
    mv "/build/crate/$name" "$out/$source/"
  done <"$crates"
"""
