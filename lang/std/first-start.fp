# Steps that a container takes when it first starts, because their results must differ between containers: keys,
# certificates, clusters of databases. An image never has these.

# By package. A step runs if the path `creates` is absent.
known = {
  mariadb-server = [{
    creates = "/var/lib/mysql/mysql"
    command = ["/usr/bin/mariadb-install-db", "--user=mysql", "--datadir=/var/lib/mysql"]
  }]
  postfix = [{ creates = "/etc/aliases.db", command = ["/usr/bin/newaliases"] }]
  varnish = [{
    creates = "/etc/varnish/secret"
    command = ["/bin/sh", "-c", "umask 077; exec od -An -N32 -tx1 /dev/urandom >/etc/varnish/secret"]
  }]
  openssh-server = [{ creates = "/etc/ssh/ssh_host_ed25519_key", command = ["/usr/bin/ssh-keygen", "-A"] }]
  ssl-cert = [{
    creates = "/etc/ssl/private/ssl-cert-snakeoil.key"
    command = ["/usr/sbin/make-ssl-cert", "generate-default-snakeoil"]
  }]
}

# The steps of a container: its own, or those of its packages.
steps(given, names) =
  if given != null then [step(s) for s in given] else flatten([s for name, s in known if contains(names, name)])

step({ creates: string, command: list }) = let words = ["${word}" for word in command] in { creates, command = words }
