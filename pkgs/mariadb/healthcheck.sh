#!/bin/sh
# Whether the server answers over TCP, as it does when its first start is over.
#
# Compose files call this by the official image's name for it, with arguments that say what to check: that it answers
# (--connect) implies that its tables can be read (--innodb_initialized). Other checks are not done here.
for argument; do
  case $argument in
    --connect | --innodb_initialized) ;;
    *)
      printf '%s\n' "$argument is not checked in this image." >&2
      exit 2
      ;;
  esac
done

# The first start writes down a user for this. Data from elsewhere may lack it, and a refused user is an answer too.
file=/var/lib/mysql/.my-healthcheck.cnf
[ -r "$file" ] || file=/dev/null
exec mariadb-admin --defaults-extra-file="$file" --host=127.0.0.1 --silent ping
