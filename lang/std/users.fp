# Users with fixed numbers, which equal those of docker.io's images, so that volumes can be shared with them.
# A root gets a user if the container runs as the user or has one of `packages`, whose scripts would create the user.

postgres = {
  uid = 999, gid = 999, home = "/var/lib/postgresql", shell = "/bin/bash", comment = "PostgreSQL administrator"
  packages = ["postgresql-common", "postgresql-client-common"]
}
redis = {
  uid = 999, gid = 999, home = "/var/lib/redis", comment = "Redis server"
  packages = ["redis-server", "redis-sentinel", "redis-tools"]
}
valkey = {
  uid = 999, gid = 999, home = "/var/lib/valkey", comment = "Valkey server"
  packages = ["valkey-server", "valkey-sentinel", "valkey-tools"]
}
mysql = {
  uid = 999, gid = 999, home = "/var/lib/mysql", comment = "MySQL server"
  packages = ["mariadb-server", "mysql-server-core-8.0"]
}
rabbitmq = {
  uid = 999, gid = 999, home = "/var/lib/rabbitmq", comment = "RabbitMQ messaging server"
  packages = ["rabbitmq-server"]
}
memcache = {
  uid = 11211, gid = 11211, home = "/nonexistent", comment = "Memcached"
  packages = ["memcached"]
}
haproxy = {
  uid = 99, gid = 99, home = "/var/lib/haproxy", comment = "HAProxy"
  packages = ["haproxy"]
}
nginx = {
  uid = 101, gid = 101, home = "/nonexistent", comment = "nginx user"
  packages = []
}
node = {
  uid = 1000, gid = 1000, home = "/home/node", shell = "/bin/bash", comment = ""
  packages = []
}
