# Steps that a container takes when it first starts, because their results must differ between containers: keys,
# certificates, clusters of databases. An image never has these.

# By package. A step runs if the path `creates` is absent.
known = [
  { name = "mariadb-server", steps = [{
    creates = "/var/lib/mysql/mysql"
    command = ["/usr/bin/mariadb-install-db", "--user=mysql", "--datadir=/var/lib/mysql"]
  }] },
  { name = "postfix", steps = [{ creates = "/etc/aliases.db", command = ["/usr/bin/newaliases"] }] },
  { name = "varnish", steps = [{
    creates = "/etc/varnish/secret"
    command = ["/bin/sh", "-c", "umask 077; exec od -An -N32 -tx1 /dev/urandom >/etc/varnish/secret"]
  }] },
  # As Debian's script does without answers, but without a password: root changes the configuration by ldapi.
  { name = "slapd", steps = [{
    creates = "/etc/ldap/slapd.d/cn=config.ldif"
    command = ["/usr/bin/perl", "-MFile::Path=remove_tree", "-we", slapd-configuration]
  }] },
  {
    name = "openssh-server"
    steps = [{ creates = "/etc/ssh/ssh_host_ed25519_key", command = ["/usr/bin/ssh-keygen", "-A"] }]
  },
  { name = "ssl-cert", steps = [{
    creates = "/etc/ssl/private/ssl-cert-snakeoil.key"
    command = ["/usr/sbin/make-ssl-cert", "generate-default-snakeoil"]
  }] },
]

slapd-configuration = """
  my ($uid, $gid) = (getpwnam("openldap"))[2, 3];
  chown $uid, $gid, "/etc/ldap/slapd.d", "/var/lib/ldap" or die $!;
  remove_tree("/etc/ldap/slapd.d", { keep_root => 1 });
  $( = $) = "$gid $gid"; $< = $> = $uid;
  sub add {
    my ($base, $text) = @_;
    open my $to, "|-", "/usr/sbin/slapadd", "-F", "/etc/ldap/slapd.d", "-b", $base or die $!;
    print $to $text;
    close $to or die "slapadd";
  }
  open my $from, "<", "/usr/share/slapd/slapd.init.ldif" or die $!;
  my $text = join "", <$from>;
  $text =~ s/^olcRootPW:.*\\n//m;
  $text =~ s/[@]SUFFIX[@]/dc=nodomain/g;
  add("cn=config", $text);
  add("dc=nodomain", "dn: dc=nodomain\\nobjectClass: top\\nobjectClass: dcObject\\nobjectClass: organization\\n"
    . "o: nodomain\\ndc: nodomain\\n") unless -e "/var/lib/ldap/data.mdb";
"""

# The steps of a container: its own, or those of its packages.
steps(given, names) =
  if given != null then [step(s) for s in given] else flatten([k.steps for k in known if contains(names, k.name)])

step({ creates: string, command: list }) = let words = ["${word}" for word in command] in { creates, command = words }
