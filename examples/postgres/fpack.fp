# PostgreSQL from its own source, in the image that fpack packs of Debian's packages.

debian = import("fpack/debian").trixie
debians = import("fpack/postgres").image

server = postgres {}

# What `server` is made by; server.with { icu = false } makes another. xml: Debian's libxml2 needs ICU, too.
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
  # For the size: jumps are not padded (queries took the same time), what nothing calls is left out, and relocations are
  # packed.
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

  # A server of the build's own runs a part of the regression tests, over a socket.
  check = """
    make check-tests MAX_CONNECTIONS=4 TESTS='${join(tests, " ")}' || {
      cat src/test/regress/regression.diffs >&2
      exit 1
    }
  """

  # What extensions are compiled with is in `dev`, whose pg_config tells where; none of it is in an image. So is what
  # programs with embedded SQL load, which pkg-config tells.
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

# The entrypoint, the settings and the tools of the image of Debian's packages, with another server.
image = container-of(server, ["postgresql-17", "postgresql-client-17"])
image-without-icu = container-of(server.with { icu = false }, ["postgresql-17", "postgresql-client-17", "libicu76"])

container-of(server, without) = debians.with(old => {
  packages = [server, ...[p for p in old.packages if !contains(without, p.name)]]
  rules = { ${name} = rule for name, rule in old.rules if !contains(without, name) }
  env = { ...old.env, PG_VERSION = server.version }
  links = { ...old.links, "/usr/lib/postgresql/17" = "${server}" }
})
