# MariaDB 11.8: a drop-in for docker.io's mariadb image.
#
#   fpack pack mariadb
#   podman load -i mariadb.tar
#   podman run -e MARIADB_ROOT_PASSWORD=secret -v mariadb:/var/lib/mysql -p 3306:3306 localhost/mariadb:11.8
#
# mariadb/entrypoint.sh says at its top what differs from the official image.

debian = import("fpack/debian").trixie

data = "/var/lib/mysql"

# Some programs of a package, and nothing else of it.
only(package, names) = package.slice { keep = ["/usr/bin/${name}" for name in split(names, " ")] }

image = container {
  name = "mariadb"
  tag = "11.8"

  # Each of MariaDB's programs carries the client library in it, 5 MB: those for daily work, and not all 30.
  closure = "linked"
  data-packages = false
  interpreted = false
  packages = [
    debian.mariadb-server-core.slice { drop = ["/usr/bin/resolveip", "/usr/bin/innochecksum", "/usr/bin/*install*db"] },
    debian.mariadb-server.slice { keep = ["/usr/lib/mysql/plugin"], drop = ["/usr/lib/mysql/plugin/auth_pam*"] },
    only(debian.mariadb-client, "mariadb-admin mysqladmin mariadb-dump mysqldump mariadb-tzinfo-to-sql"),
    only(debian.mariadb-client-core, "mariadb mysql mariadb-check"),
    debian.tzdata,

    # What the entrypoint and init files are written in.
    only(debian.bash, "bash"),
    only(debian.dash, "dash sh"),
    only(debian.coreutils,
      "[ base64 basename cat chmod chown cp cut date dirname env head id ls mkdir mktemp mv readlink rm sleep sort stat "
        + "tail tee test touch tr true wc"),
    only(debian.grep, "grep"),
    only(debian.gzip, "gzip gunzip zcat"),
    only(debian.sed, "sed"),
    only(debian.xz-utils, "xz unxz xzcat"),
  ]
  rules = { tzdata = { keep = ["/usr/share/zoneinfo"] } }

  entrypoint = ["docker-entrypoint.sh"]
  command = ["mariadbd"]
  init = false
  user = "mysql"
  ports = [3306]
  volumes = [data]

  healthcheck = { command = ["healthcheck.sh", "--connect"], interval = "10s", timeout = "3s", start-period = "30s" }
  run-options = ["-e MARIADB_ROOT_PASSWORD=secret", "-v mariadb:${data}"]

  files = {
    "/usr/local/bin/docker-entrypoint.sh" = ./mariadb/entrypoint.sh
    "/usr/local/bin/healthcheck.sh" = ./mariadb/healthcheck.sh
    "/etc/mysql/my.cnf" = ./mariadb/my.cnf
  }
  directories = {
    "/docker-entrypoint-initdb.d" = null
    "/etc/mysql/conf.d" = null
    "/etc/mysql/mariadb.conf.d" = null
    # Open to any --user; the entrypoint closes it for others.
    ${data} = { mode = "1777", user = "mysql" }
    "/run/mysqld" = { mode = "0777", user = "mysql" }
  }
  # Where clients find the server if only /tmp is writable (--read-only with another --user). Else the entrypoint removes
  # the link, so the directory is not sticky.
  links = { "/run/mysqld/mysqld.sock" = "/tmp/mysqld.sock" }
}
