#!/bin/bash
# The first process of the mariadb image: makes the databases on the first start, then becomes the server.
#
# It understands the environment (MARIADB_* and the older MYSQL_*), the arguments and /docker-entrypoint-initdb.d as
# docker.io's mariadb image does, but
# - never runs as root and never changes an owner;
# - refuses databases whose first start did not finish, and leaves upgrades (MARIADB_AUTO_UPGRADE) to mariadb-upgrade.
#
# bash and not sh: files of initdb.d that are not executable are read into this shell, and they are written for bash.
set -eo pipefail

init_files=/docker-entrypoint-initdb.d
scripts=/usr/share/mariadb

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# from_file NAME: set MARIADB_NAME from the first of MARIADB_NAME, MARIADB_NAME_FILE (a mounted secret) and their older
# names, and export it.
from_file() {
  local name=MARIADB_$1 older=MYSQL_$1 value file
  eval "value=\${$name:-\${$older}} file=\${${name}_FILE:-\${${older}_FILE}}"
  if [ -n "$file" ]; then
    [ -z "$value" ] || fail "$name and ${name}_FILE are both set: set one of them."
    [ -r "$file" ] || fail "${name}_FILE names $file, which this container's user cannot read."
    value=$(cat "$file")
  fi
  export "$name=$value"
  unset "${name}_FILE" "${older}_FILE"
}

only_informs() {
  local argument
  for argument; do
    case $argument in
      '-?' | -h | --help | -V | --version | --print-defaults) return 0 ;;
    esac
  done
  return 1
}

# setting NAME: the value that the server would have, as `settings` lists it.
setting() {
  printf '%s' "$settings" | sed -n "s|^$1  *||p"
}

# literal TEXT, name TEXT: as SQL writes them.
literal() {
  printf "'%s'" "$(printf '%s.' "$1" | sed "s/[\\\\']/\\\\&/g")" | sed "\$s/\.'\$/'/"
}

name() {
  printf '`%s`' "$(printf '%s' "$1" | sed 's/`/``/g')"
}

random_password() {
  head -c 24 /dev/urandom | base64 | tr '+/' '-_'
}

require_password() {
  [ -z "$MARIADB_ROOT_PASSWORD$MARIADB_ROOT_PASSWORD_HASH$MARIADB_ALLOW_EMPTY_ROOT_PASSWORD$MARIADB_RANDOM_ROOT_PASSWORD" ] ||
    return 0
  fail 'The server has no root password yet, and none was given.' \
    '' \
    "Give one on the first start:  -e MARIADB_ROOT_PASSWORD=...  or a file's name in MARIADB_ROOT_PASSWORD_FILE." \
    'MARIADB_RANDOM_ROOT_PASSWORD=1 makes one up and prints it. For an experiment, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1' \
    'lets everybody in without one.'
}

# claim DIRECTORY: make it if it is missing, and this user's own; say what to do when it is somebody else's.
claim() {
  mkdir -p "$1" 2>/dev/null || :
  if [ -w "$1" ] && [ -x "$1" ]; then
    chmod 0750 "$1" 2>/dev/null || :
    return
  fi
  fail "This container runs as $(id -u):$(id -g) and cannot write to $1." \
    '' \
    'One of these helps:' \
    "  hand the volume over once:   run --rm --user 0 --entrypoint chown -v VOLUME:$1 IMAGE -R $(id -u):$(id -g) $1" \
    "  let podman hand it over:     run -v VOLUME:$1:U ..." \
    "  run as the owner of it:      run --user UID:GID ...   (if that is not root)"
}

# make_system_tables [SERVER ARGUMENT...]: what mariadb-install-db does, less its search for programs and host names.
make_system_tables() {
  {
    printf '%s\n' 'create database if not exists mysql;' 'use mysql;' 'set @auth_root_socket = null;'
    for part in system_tables performance_tables system_tables_data; do
      cat "$scripts/mariadb_$part.sql"
    done
    cat "$scripts/fill_help_tables.sql" "$scripts/maria_add_gis_sp_bootstrap.sql" "$scripts/mariadb_sys_schema.sql"
  } | mariadbd "$@" --bootstrap --log-warnings=0 --enforce-storage-engine= --max-allowed-packet=8M \
    --net-buffer-length=16K --skip-log-bin --skip-log-error >/dev/null
  mariadbd --version | sed 's/.*Ver \([^-]*-MariaDB\).*/\1/' >"$data/mariadb_upgrade_info"
}

# start_server [SERVER ARGUMENT...]: on the Unix socket alone, so that nobody gets in before all is in place.
start_server() {
  mariadbd "$@" --skip-networking --skip-slave-start --wsrep-on=OFF --skip-log-error \
    --loose-innodb-buffer-pool-load-at-startup=0 --loose-innodb-buffer-pool-dump-at-shutdown=0 &
  server=$!
  until mariadb-admin --no-defaults --socket="$socket" --user=root --silent ping >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || fail 'The server could not be started; its last messages above say why.'
    sleep 0.1
  done
}

# docker_process_sql [CLIENT ARGUMENT...]: SQL from the standard input, as root. Init files may call it by this name.
docker_process_sql() {
  MYSQL_PWD=$root_password mariadb --no-defaults --protocol=socket --socket="$socket" --user=root \
    --default-character-set=utf8mb4 ${MARIADB_DATABASE:+--database="$MARIADB_DATABASE"} "$@"
}

set_root_password() {
  local secret="by $(literal "$MARIADB_ROOT_PASSWORD")" host=${MARIADB_ROOT_HOST:-%}
  [ -z "$MARIADB_ROOT_PASSWORD_HASH" ] || secret="by password $(literal "$MARIADB_ROOT_PASSWORD_HASH")"
  {
    printf '%s\n' 'set @@session.sql_log_bin = 0;' "drop user if exists root@'127.0.0.1', root@'::1';" \
      "execute immediate concat('drop user if exists root@', quote(@@hostname));"
    if [ "$host" != localhost ]; then
      printf '%s\n' "create user root@$(literal "$host") identified $secret;" \
        "grant all on *.* to root@$(literal "$host") with grant option;" \
        "grant proxy on ''@'%' to root@$(literal "$host") with grant option;"
    fi
    printf '%s\n' "alter user root@localhost identified $secret;"
  } | docker_process_sql --database=mysql
  root_password=$MARIADB_ROOT_PASSWORD
}

make_database_and_user() {
  local secret="by $(literal "$MARIADB_PASSWORD")"
  [ -z "$MARIADB_PASSWORD_HASH" ] || secret="by password $(literal "$MARIADB_PASSWORD_HASH")"
  {
    if [ -n "$MARIADB_DATABASE" ]; then
      printf '%s\n' "create database if not exists $(name "$MARIADB_DATABASE");"
    fi
    if [ -n "$MARIADB_USER" ] && [ -n "$MARIADB_PASSWORD$MARIADB_PASSWORD_HASH" ]; then
      printf '%s\n' "create user $(literal "$MARIADB_USER")@'%' identified $secret;"
      # In the name of a database that rights are granted on, _ and % are wildcards.
      [ -z "$MARIADB_DATABASE" ] || printf '%s\n' "grant all on $(
        name "$(printf '%s' "$MARIADB_DATABASE" | sed 's/[_%]/\\&/g')"
      ).* to $(literal "$MARIADB_USER")@'%';"
    fi
  } | docker_process_sql --database=mysql
}

# A user without rights for healthcheck.sh, so that its question is no failed attempt in the log.
make_healthcheck_user() {
  local password=$(random_password) host
  for host in localhost 127.0.0.1 ::1; do
    printf '%s\n' "create user if not exists healthcheck@'$host' identified by '$password';"
  done | docker_process_sql --database=mysql
  (umask 077 && printf '%s\n' '[client]' 'user=healthcheck' "password=$password" >"$data/.my-healthcheck.cnf")
}

# The names of time zones, for convert_tz().
load_time_zones() {
  [ -z "$MARIADB_INITDB_SKIP_TZINFO" ] || return 0
  mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo | docker_process_sql --database=mysql
}

run_init_file() {
  case $1 in
    *.sh)
      if [ -x "$1" ]; then
        "$1"
      else
        . "$1"
      fi
      ;;
    *.sql) docker_process_sql <"$1" ;;
    # Unpacked before anything is run, so that a file that is cut off changes nothing.
    *.sql.gz) gzip -dc "$1" >"$unpacked" && docker_process_sql <"$unpacked" ;;
    *.sql.xz) xz -dc "$1" >"$unpacked" && docker_process_sql <"$unpacked" ;;
    *.sql.zst) fail "$1: this image has no zstd; compress the file with gzip or xz." ;;
  esac
}

run_init_files() {
  local file
  unpacked=$(mktemp)
  for file in "$init_files"/*; do
    case $file in
      *.sh | *.sql | *.sql.gz | *.sql.xz | *.sql.zst)
        printf '%s\n' "Running $file"
        run_init_file "$file"
        ;;
      "$init_files/*") ;; # nothing there
      *) printf '%s\n' "Leaving $file alone: not a .sql, .sql.gz, .sql.xz or .sh file" ;;
    esac
  done
  rm "$unpacked"
}

first_start() {
  require_password
  claim "$data"
  : >"$unfinished"
  printf '%s\n' 'Making the system tables.'
  make_system_tables "$@"
  root_password=''
  start_server "$@"
  load_time_zones
  if [ -n "$MARIADB_RANDOM_ROOT_PASSWORD" ]; then
    MARIADB_ROOT_PASSWORD=$(random_password)
    export MARIADB_ROOT_PASSWORD
    printf '%s\n' "GENERATED ROOT PASSWORD: $MARIADB_ROOT_PASSWORD"
  fi
  make_healthcheck_user
  make_database_and_user
  # What init files need to become root is not known from a hash.
  [ -n "$MARIADB_ROOT_PASSWORD_HASH" ] || set_root_password
  run_init_files
  [ -z "$MARIADB_ROOT_PASSWORD_HASH" ] || set_root_password
  kill "$server"
  wait "$server"
  rm "$unfinished"
  printf '\n%s\n\n' 'The databases are made; starting the server.'
}

# prepare [SERVER ARGUMENT...]: see that there are complete databases for the server to serve.
prepare() {
  local variable
  [ "$(id -u)" != 0 ] || fail 'MariaDB does not run as root here, and this container was started as root (--user 0).' \
    'Leave --user out: the image runs as 999:999. Another user that owns the volume is fine too: --user UID:GID.'
  for variable in ROOT_HOST ROOT_PASSWORD ROOT_PASSWORD_HASH DATABASE USER PASSWORD PASSWORD_HASH RANDOM_ROOT_PASSWORD \
    INITDB_SKIP_TZINFO; do
    from_file $variable
  done
  MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-$MYSQL_ALLOW_EMPTY_PASSWORD}
  settings=$(mariadbd "$@" --verbose --help 2>/dev/null) ||
    fail 'The server does not accept its settings:' "$(mariadbd "$@" --verbose --help 2>&1 >/dev/null | grep ERROR)"
  data=$(setting datadir)
  data=${data%/}
  socket=$(setting socket)
  unfinished=$data/first-start-unfinished
  if [ -e "$unfinished" ]; then
    fail "The first start with $data did not finish: an init file failed, or the container was stopped." \
      'Mend what failed, empty the volume and start again. To use what is there all the same, remove the file' \
      "$unfinished."
  elif [ ! -d "$data/mysql" ]; then
    # In a process of its own: so that a signal ends this one at once, and what it exports does not reach the server.
    first_start "$@" &
    wait "$!"
  fi
}

trap 'exit 130' INT TERM QUIT # the kernel delivers to process 1 only what it asks for
case ${1:--} in
  -*) set -- mariadbd "$@" ;;
  mysqld) shift && set -- mariadbd "$@" ;;
esac
if [ "$1" = mariadbd ] && ! only_informs "$@"; then
  shift
  # The socket of clients is a link into /tmp, by which they find it there if the server cannot replace the link.
  if [ -w /run/mysqld ]; then
    [ ! -L /run/mysqld/mysqld.sock ] || rm /run/mysqld/mysqld.sock
  else
    set -- --socket=/tmp/mysqld.sock --pid-file=/tmp/mysqld.pid "$@"
  fi
  prepare "$@"
  set -- mariadbd "$@"
fi
exec "$@"
