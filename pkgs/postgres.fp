# PostgreSQL 17: a drop-in for docker.io's postgres image, from Debian's packages, at a fifth of its size.
#
#   fpack pack postgres
#   podman load -i postgres.tar
#   podman run -e POSTGRES_PASSWORD=secret -v pgdata:/var/lib/postgresql/data -p 5432:5432 localhost/postgres:17
#
# postgres/entrypoint.sh says at its top what differs from the official image.

debian = import("fpack/debian").trixie

server = debian.postgresql-17
major = "17"
programs = "/usr/lib/postgresql/${major}/bin"
modules = "/usr/lib/postgresql/${major}/lib"
shared = "/usr/share/postgresql/${major}"
data = "/var/lib/postgresql/data"

# Some programs of a package, and nothing else of it.
only(package, names) = package.slice { keep = ["/usr/bin/${name}" for name in split(names, " ")] }

# What init files are written in, besides SQL: as much of a Debian system as scripts usually call.
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

  # What the files of these packages load comes with them; what else the packages depend on stays away.
  closure = "linked"
  data-packages = false
  interpreted = false
  packages = [server, debian.postgresql-client-17, debian.tzdata, debian.libc-bin, debian.libnss-wrapper,
    debian.ncurses-base, debian.locales-all, ...tools]

  # The just-in-time compiler would bring 150 MB of LLVM; PostgreSQL does without where it is not installed. The xml2
  # extension, deprecated since 8.3, would bring libxslt and libgcrypt.
  rules = {
    postgresql-17 = {
      drop = [
        "${modules}/bitcode", "${modules}/llvmjit*", "${modules}/pgxml.so", "${shared}/extension/xml2*",
        "${shared}/contrib", "${shared}/man",
      ]
    }
    postgresql-client-17 = { drop = ["${modules}/pgxs", "${shared}/man", "/usr/share/postgresql-common"] }
    libc-bin = { keep = ["/usr/bin/getent", "/usr/bin/locale", "/usr/lib/locale/C.utf8"] }
    # The locale of the official image's clusters: no server starts with theirs without it. Most of its files are links to
    # equal ones of other locales.
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

    # Libraries that come in by themselves: what of them nothing here loads.
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
  init = false
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
    # Where clients find the server if only /tmp is writable (--read-only with another --user). Else the server replaces
    # the link by its socket, so the directory is not sticky.
    "/run/postgresql/.s.PGSQL.5432" = "/tmp/.s.PGSQL.5432"
  }
  directories = {
    "/docker-entrypoint-initdb.d" = null
    # Open to any --user, as in the official image; the entrypoint makes the data private to the one that runs it.
    ${data} = { mode = "1777", user = "postgres" }
    "/run/postgresql" = { mode = "2777", user = "postgres" }
    "/var/lib/postgresql" = { user = "postgres" }
  }
}

# A database beside a developer shell, in the project's directory, for its user alone:
#
#   shell = shell { packages = [...], services = { db = import("fpack/postgres").service { database = "app" } } }
#
# Programs find it by PGHOST, PGUSER and PGDATABASE, or by DATABASE_URL. settings: of postgresql.conf. init: SQL for a
# new database.
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
