# PostgreSQL 17: a drop-in for docker.io's postgres image, from Debian's packages, at a fifth of its size.
#
#   fpack pack postgres
#   podman load -i postgres.tar
#   podman run -e POSTGRES_PASSWORD=secret -v pgdata:/var/lib/postgresql/data -p 5432:5432 localhost/postgres:17
#
# The beginning of postgres/entrypoint.sh lists the differences from the official image.

debian = import("fpack/debian").trixie

server = debian.postgresql-17
major = "17"
programs = "/usr/lib/postgresql/${major}/bin"
modules = "/usr/lib/postgresql/${major}/lib"
shared = "/usr/share/postgresql/${major}"
data = "/var/lib/postgresql/data"

# Select programs of a package, and nothing else of it.
only(package, names) = package.slice { keep = ["/usr/bin/${name}" for name in split(names, " ")] }

# Programs that init scripts usually call.
tools = [
  only(debian.bash, "bash"),
  only(debian.dash, "dash sh"),
  only(debian.coreutils,
    "[ base64 basename cat chmod chown cp cut date dd df dirname du echo env false head id ln ls md5sum mkdir mktemp mv "
      + "nproc od paste printenv printf pwd readlink realpath rm rmdir seq sha256sum sleep sort stat sync tac tail tee "
      + "test timeout touch tr true truncate tty uname uniq wc whoami yes"),
  only(debian.findutils, "find xargs"),
  only(debian.grep, "grep egrep fgrep"),
  only(debian.gzip, "gzip gunzip zcat"),
  only(debian.less, "less"), # psql's pager
  only(debian.mawk, "mawk"),
  only(debian.sed, "sed"),
  only(debian.xz-utils, "xz unxz xzcat"),
]

image = container {
  name = "postgres"
  tag = major

  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [server, debian.postgresql-client-17, debian.tzdata, debian.libc-bin, debian.libnss-wrapper,
    debian.ncurses-base, debian.locales-all, ...tools]

  # Dropped are the just-in-time compiler, which PostgreSQL can do without and which loads 150 MB of LLVM, and the xml2
  # extension, which is deprecated since 8.3 and loads libxslt and libgcrypt.
  rules = {
    postgresql-17 = {
      drop = [
        "${modules}/bitcode", "${modules}/llvmjit*", "${modules}/pgxml.so", "${shared}/extension/xml2*",
        "${shared}/contrib", "${shared}/man",
      ]
    }
    postgresql-client-17 = { drop = ["${modules}/pgxs", "${shared}/man", "/usr/share/postgresql-common"] }
    libc-bin = { keep = ["/usr/bin/getent", "/usr/bin/locale", "/usr/lib/locale/C.utf8"] }
    # en_US.utf8 is the locale of the official image's clusters: without it, no server starts with their data. Most of
    # its files are links to equal files of other locales.
    locales-all = {
      keep = ["/usr/lib/locale/${file}" for file in split(
        "en_US.utf8 aa_DJ.utf8/LC_COLLATE aa_DJ.utf8/LC_CTYPE aa_ET/LC_NUMERIC bi_VU/LC_NAME chr_US/LC_MEASUREMENT "
          + "chr_US/LC_MONETARY chr_US/LC_PAPER chr_US/LC_TELEPHONE en_AG/LC_MESSAGES/SYS_LC_MESSAGES",
        " ",
      )]
    }
    libnss-wrapper = { keep = ["/usr/lib/*/libnss_wrapper.so"] }
    ncurses-base = { keep = ["/usr/share/terminfo"] }
    tzdata = { keep = ["/usr/share/zoneinfo"] }

    # Parts of libraries that nothing here loads. The libraries themselves are included because programs load them.
    libc6 = {
      drop = [
        "/usr/lib/*/libmvec.so.1", "/usr/lib/*/libnsl.so.1", "/usr/lib/*/libthread_db.so.1",
        "/usr/lib/*/libnss_hesiod.so.2", "/usr/lib/*/libnss_compat.so.2", "/usr/lib/*/libBrokenLocale.so.1",
        "/usr/lib/*/libanl.so.1", "/usr/lib/*/libc_malloc_debug.so.0",
      ]
    }
    libicu76 = { drop = ["/usr/lib/*/libicuio.so.*", "/usr/lib/*/libicutest.so.*", "/usr/lib/*/libicutu.so.*"] }
  }

  entrypoint = ["docker-entrypoint.sh"]
  command = ["postgres"]
  init = false # the server handles signals as the first process
  user = "postgres"
  ports = [5432]
  volumes = [data]
  stop-signal = "SIGINT"
  run-options = ["-e POSTGRES_PASSWORD=secret", "-v pgdata:${data}"]

  env = {
    PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${programs}"
    LANG = "C.UTF-8"
    PGDATA = data
    PG_MAJOR = major
    PG_VERSION = server.version
  }

  files = {
    "/usr/local/bin/docker-entrypoint.sh" = { source = ./postgres/entrypoint.sh, mode = "0755" }
  }
  links = {
    "/etc/localtime" = "/usr/share/zoneinfo/Etc/UTC"
    # With --read-only and another --user, only /tmp is writable, so the server's socket is there, and clients find it
    # by this link. In all other cases, the server replaces the link. To let any user do that, /run/postgresql is not
    # sticky.
    "/run/postgresql/.s.PGSQL.5432" = "/tmp/.s.PGSQL.5432"
  }
  directories = {
    "/docker-entrypoint-initdb.d" = null
    # Any --user can write to it at first, as in the official image. The entrypoint makes the data private to that user.
    ${data} = { mode = "1777", user = "postgres" }
    "/run/postgresql" = { mode = "2777", user = "postgres" }
    "/var/lib/postgresql" = { user = "postgres" }
  }
}

# Run a database beside a developer shell, with data that is kept for the project:
#
#   shell = shell { packages = [...], services = { db = import("fpack/postgres").service { database = "app" } } }
#
# Programs find it by PGHOST, PGUSER and PGDATABASE, or by DATABASE_URL. port: a TCP port of 127.0.0.1; null: only a
# socket, which no other user can reach. settings: of postgresql.conf. init: SQL that a new database executes.
service({
  database: string = "app",
  user: string = "app",
  port: int | null = null,
  settings: record = {},
  init: string = "",
}) =
  let
    options = join(["-c ${name}='${value}'" for name, value in settings], " ")
    listen = if port == null then "-c listen_addresses=" else "-c listen_addresses=127.0.0.1 -p ${port}"
    number = if port == null then 5432 else port
  in import("fpack/shell").service {
    env = { PATH = programs }
    prepare = """
      if [ ! -s "$DATA/PG_VERSION" ]; then
        initdb --pgdata="$DATA" --username='${user}' --auth=trust --encoding=UTF8 --no-instructions \\
          --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8
        if [ '${database}' != postgres ]; then
          echo 'CREATE DATABASE "${database}"' | postgres --single -D "$DATA" postgres
        fi
        postgres --single -j -D "$DATA" '${database}' <<'END-OF-INIT'
      ${init}
      END-OF-INIT
      fi
    """
    start = """exec postgres -D "$DATA" -k "$RUN" ${listen} ${options}"""
    ready = "pg_isready -q -h \"$RUN\" -p ${number}"
    stop = "SIGINT"
    ports = if port == null then [] else [port]
    exports = {
      PGHOST = "$RUN"
      PGPORT = "${number}"
      PGUSER = user
      PGDATABASE = database
      DATABASE_URL = "postgresql:///${database}?host=$RUN&port=${number}&user=${user}"
    }
    image
  }
