#!/bin/sh
# The first process of the redis image: becomes the server, or whatever program the arguments name.
#
# It understands arguments as docker.io's redis image does, but never runs as root and never changes an owner.
set -e

# mentions FILE NAME: whether a configuration file has a directive of that name.
mentions() {
  while read -r name _ || [ -n "$name" ]; do
    [ "$name" != "$2" ] || return 0
  done <"$1"
  return 1
}

# Options, or a configuration file, are the server's.
case ${1:--} in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ]; then
  case $2 in
    -v | --version | -h | --help | --test-memory | --check-system) exec "$@" ;;
  esac
  shift
  # Who may connect is decided by the container's published ports. By itself, Redis without a password answers only
  # localhost. Options override the file and the options before them.
  case ${1:--} in
    -*) set -- --protected-mode no "$@" ;;
    *)
      if [ -r "$1" ] && ! mentions "$1" protected-mode; then
        file=$1
        shift
        set -- "$file" --protected-mode no "$@"
      fi
      ;;
  esac
  set -- redis-server "$@"
  [ -w . ] || printf '%s\n' "Warning: this container's user cannot write to $PWD, so nothing is saved there." >&2
  umask 077 # what is saved is for the server alone
fi
exec "$@"
