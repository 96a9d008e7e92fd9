# Rust programs, with their crates in `vendor`, where `cargo vendor` puts them.

# vendor: the directory of crates within the source. crate: which crate of a workspace is installed, by its directory.
# flags: words for cargo. All else is as in `package`.
rust({ flags: list = [], vendor: string = "vendor", crate: string = ".", ...given }) =
  let all = import("./common.fp").words(flags) in
  import("./common.fp").with-defaults(given, ["cargo", "gcc", "libc6-dev", "rustc"], {
    # Replace each registry and repository in the lock by the directory, unless the project does so itself.
    configure = """
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
    build = "cargo build --release --offline --locked -j $CORES${all}"
    check = "cargo test --release --offline --locked -j $CORES${all}"
    install = "cargo install --path \"${crate}\" --root \"$out\" --no-track --offline --locked -j $CORES${all}"
    env = { CARGO_INCREMENTAL = "0", RUSTFLAGS = "--remap-path-prefix=/build=." }
  })
