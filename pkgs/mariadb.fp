# MariaDB 11.8: a drop-in for docker.io's mariadb image.
#
#   fpack pack mariadb
#   podman load -i mariadb.tar
#   podman run -e MARIADB_ROOT_PASSWORD=secret -v mariadb:/var/lib/mysql -p 3306:3306 localhost/mariadb:11.8
#
# The beginning of mariadb/entrypoint.sh lists the differences from the official image.

debian = import("fpack/debian").trixie

data = "/var/lib/mysql"

# Select programs of a package, and nothing else of it.
only(package, names) = package.slice { keep = ["/usr/bin/${name}" for name in split(names, " ")] }

image = container {
  name = "mariadb"
  tag = "11.8"

  # Each of MariaDB's 30 programs contains the client library, 5 MB. So the image has only those for daily work.
  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [
    debian.mariadb-server-core.slice { drop = ["/usr/bin/resolveip", "/usr/bin/innochecksum", "/usr/bin/*install*db"] },
    debian.mariadb-server.slice { keep = ["/usr/lib/mysql/plugin"], drop = ["/usr/lib/mysql/plugin/auth_pam*"] },
    only(debian.mariadb-client, "mariadb-admin mysqladmin mariadb-dump mysqldump mariadb-tzinfo-to-sql"),
    only(debian.mariadb-client-core, "mariadb mysql mariadb-check"),
    debian.tzdata,

    # Programs that the entrypoint and usual init scripts call.
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
  init = false # the server handles signals as the first process
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
    # Any --user can write to it at first. The entrypoint then makes it private to the one that runs it.
    ${data} = { mode = "1777", user = "mysql" }
    "/run/mysqld" = { mode = "0777", user = "mysql" }
  }
  # With --read-only and another --user, only /tmp is writable, so the server's socket is there, and clients find it by
  # this link. In all other cases, the entrypoint removes the link. To let any user do that, /run/mysqld is not sticky.
  links = { "/run/mysqld/mysqld.sock" = "/tmp/mysqld.sock" }
}
