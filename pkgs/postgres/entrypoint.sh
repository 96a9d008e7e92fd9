#!/bin/bash
# The first process of the postgres image: makes the database cluster on the first start, then becomes the server.
#
# It understands the environment, the arguments and /docker-entrypoint-initdb.d as docker.io's postgres image does, but
# - never runs as root and never changes an owner: it says what to do when a volume is not its user's;
# - asks for the password over TCP from inside the container too, not only from outside;
# - compares text by code points (initdb's built-in C.UTF-8) unless POSTGRES_INITDB_ARGS names a locale;
# - refuses a cluster whose first start did not finish, instead of serving half of it.
# - uses the directory `pgdata` in the volume if the volume belongs to another user but is writable (--user 12345:0):
#   PostgreSQL requires a directory of its own user.
#
# bash and not sh: files of initdb.d that are not executable are read into this shell, and they are written for bash.
set -Eeo pipefail

init_files=/docker-entrypoint-initdb.d
sockets= # the directory of the server's socket; empty: the usual one

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# from_file NAME [DEFAULT]: set and export NAME, from the file that NAME_FILE names if there is one (a mounted secret).
from_file() {
  local name=$1 file_name=$1_FILE value=$2
  local file=${!file_name}
  if [ -n "$file" ]; then
    [ -z "${!name}" ] || fail "$name and $file_name are both set: set one of them."
    [ -r "$file" ] || fail "$file_name names $file, which user $EUID cannot read."
    value=$(<"$file")
  elif [ -n "${!name}" ]; then
    value=${!name}
  fi
  export "$name=$value"
  unset "$file_name"
}

only_informs() {
  local argument
  for argument; do
    case $argument in
      '-?' | --help | -V | --version | --describe-config) return 0 ;;
    esac
  done
  return 1
}

require_password() {
  if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
    printf '%s\n' \
      'WARNING: POSTGRES_HOST_AUTH_METHOD is "trust": whoever can reach the port is let in as any user, without a password.' \
      >&2
  elif [ -z "$POSTGRES_PASSWORD" ]; then
    fail 'The database has no superuser password yet, and none was given.' \
      '' \
      "Give one for user \"$POSTGRES_USER\" on the first start:  -e POSTGRES_PASSWORD=...  or a file's name in" \
      'POSTGRES_PASSWORD_FILE. For an experiment, -e POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without one.'
  fi
}

# claim DIRECTORY: make it if it is missing, private to this user; explain what to do when it is somebody else's.
claim() {
  local us owner
  if mkdir -p "$1" 2>/dev/null && [ -w "$1" ] && chmod 0700 "$1" 2>/dev/null; then
    return
  fi
  us=$(id -u):$(id -g)
  owner=$(stat -c %u:%g "$1" 2>/dev/null) || fail \
    "$1 cannot be made or entered by $us, the user and group of this container." \
    'Mount a volume there, or name another place with -e PGDATA=DIRECTORY.'
  fail "$1 belongs to $owner; this container runs as $us and cannot use it as its own." \
    '' \
    'One of these helps:' \
    "  hand the volume over once:   run --rm --user 0 --entrypoint chown -v VOLUME:$1 IMAGE -R $us $1" \
    "  let podman hand it over:     run -v VOLUME:$1:U ..." \
    "  run as the owner of it:      run --user $owner ...   (if that is not root)" \
    "  use a directory in it:       run -e PGDATA=$1/pgdata ...   (if the volume is writable for all)"
}

# choose_directory: serve `pgdata` in the volume if there is one, or if the volume is another user's that all may write to.
choose_directory() {
  [ ! -e "$PGDATA/PG_VERSION" ] && [ -w "$PGDATA" ] || return 0
  if [ -d "$PGDATA/pgdata" ] || [ ! -O "$PGDATA" ]; then
    export PGDATA=$PGDATA/pgdata
    printf '%s\n' "The database is in the directory $PGDATA."
  fi
}

# initdb looks up the name of the user that runs it. Give one to a user that /etc/passwd does not list (--user 12345).
borrow_name() {
  local uid library
  while IFS=: read -r _ _ uid _; do
    [ "$uid" != "$EUID" ] || return 0
  done </etc/passwd
  for library in /usr/lib/*/libnss_wrapper.so; do
    [ -r "$library" ] || fail "User $EUID is not in /etc/passwd, and initdb needs a name for it: mount a passwd file."
    borrowed=$(mktemp -d)
    printf 'postgres:x:%s:%s::%s:/bin/false\n' "$EUID" "$(id -g)" "$PGDATA" >"$borrowed/passwd"
    printf 'postgres:x:%s:\n' "$(id -g)" >"$borrowed/group"
    export LD_PRELOAD=$library NSS_WRAPPER_PASSWD=$borrowed/passwd NSS_WRAPPER_GROUP=$borrowed/group
  done
}

# make_cluster: initdb, with the defaults of this image before the words of POSTGRES_INITDB_ARGS, which may be quoted.
make_cluster() {
  local theirs ours=(--username="$POSTGRES_USER" --set=listen_addresses='*' --auth-local=trust)
  eval "theirs=($POSTGRES_INITDB_ARGS)"
  case " ${theirs[*]}" in
    *' --locale'* | *' --lc-'* | *' --no-locale'* | *' --icu-'* | *' --builtin-locale'*) ;;
    *) ours+=(--encoding=UTF8 --locale=C.UTF-8 --locale-provider=builtin --builtin-locale=C.UTF-8) ;;
  esac
  case $POSTGRES_HOST_AUTH_METHOD in
    trust | md5 | password) ours+=(--auth-host="$POSTGRES_HOST_AUTH_METHOD") ;;
    *) ours+=(--auth-host=scram-sha-256) ;;
  esac
  if [ -n "$POSTGRES_INITDB_WALDIR" ]; then
    claim "$POSTGRES_INITDB_WALDIR"
    ours+=(--waldir="$POSTGRES_INITDB_WALDIR")
  fi
  if [ -n "$POSTGRES_PASSWORD" ]; then
    initdb "${ours[@]}" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${theirs[@]}"
  else
    initdb "${ours[@]}" "${theirs[@]}"
  fi
}

# admit_hosts [SERVER ARGUMENT...]: let clients of any address in, by the method that the server's passwords are kept for.
admit_hosts() {
  local method=$POSTGRES_HOST_AUTH_METHOD
  [ -n "$method" ] || method=$(postgres -C password_encryption "$@")
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# start_server [SERVER ARGUMENT...]: on the Unix socket alone, so that nobody gets in before all is in place.
start_server() {
  postgres "$@" -c listen_addresses= -p "${PGPORT:-5432}" &
  server=$!
  until PGHOST=$sockets PGHOSTADDR='' pg_isready --quiet --username="$POSTGRES_USER" --dbname=postgres; do
    kill -0 "$server" 2>/dev/null || fail 'The server could not be started; its last messages above say why.'
    sleep 0.1
  done
}

stop_server() {
  kill -INT "$server"
  wait "$server"
}

# docker_process_sql [PSQL ARGUMENT...]: SQL from the standard input or -f FILE. Init files may call it by this name.
docker_process_sql() {
  PGHOST=$sockets PGHOSTADDR='' psql --set=ON_ERROR_STOP=1 --no-psqlrc --no-password \
    --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" "$@"
}

make_database() {
  case $POSTGRES_DB in
    postgres | template0 | template1) ;;
    *) PGHOST=$sockets PGHOSTADDR='' createdb --no-password --username="$POSTGRES_USER" --maintenance-db=postgres -- "$POSTGRES_DB" ;;
  esac
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
    *.sql) docker_process_sql -f "$1" ;;
    *.sql.gz) gzip -dc "$1" | docker_process_sql ;;
    *.sql.xz) xz -dc "$1" | docker_process_sql ;;
    *.sql.zst)
      command -v zstd >/dev/null || fail "$1: this image has no zstd; compress the file with gzip or xz."
      zstd -dc "$1" | docker_process_sql
      ;;
  esac
}

first_start() {
  local file
  require_password
  claim "$PGDATA"
  borrow_name
  make_cluster
  : >"$unfinished"
  admit_hosts "$@"
  [ -z "$POSTGRES_PASSWORD" ] || export PGPASSWORD=$POSTGRES_PASSWORD
  start_server "$@"
  make_database
  for file in "$init_files"/*; do
    case $file in
      *.sh | *.sql | *.sql.gz | *.sql.xz | *.sql.zst)
        printf '%s\n' "Running $file"
        run_init_file "$file"
        ;;
      "$init_files/*") ;; # nothing there
      *) printf '%s\n' "Leaving $file alone: not a .sql, .sql.gz, .sql.xz, .sql.zst or .sh file" ;;
    esac
  done
  stop_server
  [ -z "$borrowed" ] || rm -r "$borrowed"
  rm "$unfinished"
  printf '\n%s\n\n' 'The database is made; starting the server.'
}

# prepare [SERVER ARGUMENT...]: see that there is a complete cluster for the server to serve.
prepare() {
  [ "$EUID" != 0 ] || fail 'PostgreSQL does not run as root, and this container was started as root (--user 0).' \
    'Leave --user out: the image runs as 999:999. Another user that owns the volume is fine too: --user UID:GID.'
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  from_file POSTGRES_INITDB_ARGS
  from_file POSTGRES_INITDB_WALDIR
  from_file POSTGRES_HOST_AUTH_METHOD
  export PGDATA=${PGDATA:-/var/lib/postgresql/data}
  choose_directory
  unfinished=$PGDATA/first-start-unfinished
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # In a process of its own: so that a signal ends this one at once, and what it exports does not reach the server.
    first_start "$@" &
    wait "$!"
  elif [ -e "$unfinished" ]; then
    fail "The first start with $PGDATA did not finish: an init file failed, or the container was stopped." \
      'Mend what failed, empty the volume and start again. To use what is there all the same, remove the file' \
      "$unfinished."
  else
    printf '\n%s\n\n' "$PGDATA holds a database already: it is left as it is."
  fi
}

trap 'exit 130' INT TERM QUIT # the kernel delivers to process 1 only what it asks for
case ${1:--} in
  -*) set -- postgres "$@" ;;
esac
if [ "$1" = postgres ] && ! only_informs "$@"; then
  # The socket of clients is a link into /tmp, by which they find it there. Arguments override it.
  if [ ! -w /run/postgresql ]; then
    sockets=/tmp
    set -- postgres -k "$sockets" "${@:2}"
  fi
  prepare "${@:2}"
fi
exec "$@"
