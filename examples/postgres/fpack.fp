# PostgreSQL compiled from its source, in place of Debian's packages in fpack's postgres image.

debian = import("fpack/debian").trixie
curated = import("fpack/postgres").image # made of Debian's packages

server = postgres {}

# Build the server. `server.with { icu = false }` builds another. Without ICU it has no XML either, since Debian's
# libxml2 needs ICU.
postgres({ icu: bool = true, xml: bool = icu, readline: bool = true }) = autotools {
  name = "postgresql"
  version = "17.11"
  source = fetch {
    urls = [
      "mirror://debian/pool/main/p/postgresql-17/postgresql-17_${version}.orig.tar.bz2",
      "https://ftp.postgresql.org/pub/source/v${version}/postgresql-${version}.tar.bz2",
    ]
    sha256 = "dd27f2b3c59e73ed14aa3324901242bf69a032a6347805f274e6260322d42979"
  }

  tools = [debian.bison, debian.flex, debian.perl, debian.pkgconf, debian.tzdata]
  libs = [
    debian.liblz4-dev, debian.libssl-dev, debian.libzstd-dev, debian.uuid-dev, debian.zlib1g-dev,
    ...if icu then [debian.libicu-dev] else [],
    ...if xml then [debian.libxml2-dev] else [],
    ...if readline then [debian.libreadline-dev] else [],
  ]
  # These flags make the programs smaller: jump targets are not padded (queries took the same time), functions that
  # nothing calls are dropped, and relocations are packed.
  env = {
    CFLAGS = "-O2 -fstack-protector-strong -ffunction-sections -fno-align-jumps -fno-align-labels -fno-align-loops"
    CPPFLAGS = "-D_FORTIFY_SOURCE=2"
    LDFLAGS = "-Wl,-z,relro,-z,now,-z,pack-relative-relocs,--gc-sections,-O2"
  }
  flags = [
    "--with-openssl --with-lz4 --with-zstd --with-uuid=e2fs --with-system-tzdata=/usr/share/zoneinfo",
    if icu then "--with-icu" else "--without-icu",
    if xml then "--with-libxml" else "",
    if readline then "--with-readline" else "--without-readline",
  ]

  build = "make -j$CORES world-bin"

  # Run a part of the regression tests on a temporary server, over a socket.
  check = """
    make check-tests MAX_CONNECTIONS=4 TESTS='${join(tests, " ")}' || {
      cat src/test/regress/regression.diffs >&2
      exit 1
    }
  """

  # `dev` has the files for compiling extensions, and the libraries of programs with embedded SQL (ecpg). No image needs
  # them. Its pg_config and the .pc files in `out` lead there.
  outputs = ["out", "dev"]
  install = """
    make install-world-bin
    mkdir -p "$dev/lib"
    mv "$out/lib/pgxs" "$dev/lib"
    rm "$out/bin/ecpg" "$out"/lib/lib{ecpg,pgtypes}*
    make -C src/interfaces/ecpg clean
    make -C src/interfaces/ecpg install bindir="$dev/bin" libdir="$dev/lib" rpathdir="$out/lib:$dev/lib" \\
      pkgconfigdir="$out/lib/pkgconfig"
    sed -i "s|^Libs: |&-Wl,-rpath,$dev/lib |" "$out"/lib/pkgconfig/lib{ecpg,pgtypes}*.pc
    cat >"$dev/bin/pg_config" <<END
    #!/bin/sh
    found=\\$($out/bin/pg_config "\\$@") || exit
    printf '%s\\\\n' "\\$found" | sed 's|$out/include|$dev/include|g; s|$out/lib/pgxs|$dev/lib/pgxs|g'
    END
    chmod +x "$dev/bin/pg_config"
  """
}

tests = [
  "test_setup", "boolean", "char", "name", "varchar", "text", "int2", "int4", "int8", "oid", "float4", "float8", "bit",
  "numeric", "uuid", "enum", "money", "rangetypes", "strings", "md5", "point", "date", "time", "timestamp", "interval",
  "inet", "regex", "create_index", "create_view", "constraints", "select", "select_distinct", "subselect", "union",
  "transactions", "arrays", "hash_index", "update", "delete", "namespace", "prepared_xacts",
  "brin", "gin", "gist", "spgist", "privileges", "matview", "json", "jsonb", "jsonpath", "plpgsql", "triggers",
  "xml", "tsearch", "window", "compression",
]

# The curated image, with its entrypoint, settings and tools, but with this server.
image = container-of(server, ["postgresql-17", "postgresql-client-17"])
image-without-icu = container-of(server.with { icu = false }, ["postgresql-17", "postgresql-client-17", "libicu76"])

# without: the packages and rules of the curated image to leave out.
container-of(server, without) = curated.with(old => {
  packages = [server, ...[p for p in old.packages if !contains(without, p.name)]]
  rules = { ${name} = rule for name, rule in old.rules if !contains(without, name) }
  env = { ...old.env, PG_VERSION = server.version }
  links = { ...old.links, "/usr/lib/postgresql/17" = "${server}" }
})
