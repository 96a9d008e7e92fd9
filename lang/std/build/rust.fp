# Rust programs, whose crates lie in `vendor` as `cargo vendor` leaves them.

# vendor: the directory of crates within the source. flags: words for cargo. All else is as in `package`.
rust({ flags: list = [], vendor: string = "vendor", ...given }) =
  let all = import("./common.fp").words(flags) in
  import("./common.fp").with-defaults(given, ["cargo", "gcc", "libc6-dev", "rustc"], {
    configure = """
      export CARGO_HOME=/build/cargo
      mkdir -p $CARGO_HOME
      if [ -d "${vendor}" ]; then
        printf '[source.crates-io]\\nreplace-with = "vendored"\\n[source.vendored]\\ndirectory = "%s"\\n' \\
          "$PWD/${vendor}" >$CARGO_HOME/config.toml
      fi
    """
    build = "cargo build --release --offline --locked -j $CORES${all}"
    check = "cargo test --release --offline --locked -j $CORES${all}"
    install = "cargo install --path . --root \"$out\" --no-track --offline --locked -j $CORES${all}"
    env = { CARGO_INCREMENTAL = "0", RUSTFLAGS = "--remap-path-prefix=/build=." }
  })
