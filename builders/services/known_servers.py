"""List what units do not tell: how a server stays in the foreground, and the ports on which it listens by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Foreground(NamedTuple):
    """A change of arguments that keeps a forking program in the foreground: remove the words `drop`, and add `add`."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


# By the name of the program that the unit starts. Only programs that leave the foreground need an entry.
FOREGROUND: Mapping[str, Foreground] = {
    "avahi-daemon": Foreground((), ("-s",)),
    "chronyd": Foreground(("-d", "-x")),  # it cannot set the clock
    "gearmand": Foreground(()),
    "i2pd": Foreground((), ("--daemon",)),
    "inetd": Foreground(("-i",)),
    "ngircd": Foreground(("--nodaemon",)),
    "nmbd": Foreground(("--foreground", "--no-process-group")),
    "nslcd": Foreground(("-n",)),
    "ntpd": Foreground(("-n",)),
    "opendkim": Foreground(("-f",)),
    "openvpn": Foreground((), ("--daemon",)),
    "privoxy": Foreground(("--no-daemon",)),
    "proftpd": Foreground(("--nodaemon",)),
    "radvd": Foreground(("--nodaemon",)),
    "rinetd": Foreground(("-f",)),
    "rpcbind": Foreground(("-f",)),
    "rsyslogd": Foreground(("-n",)),
    "smbd": Foreground(("--foreground", "--no-process-group")),
    "snmpd": Foreground(("-f",)),
    "squid": Foreground(("--foreground",)),
    "ulogd": Foreground((), ("--daemon",)),
    "varnishncsa": Foreground((), ("-D",)),
    "vsftpd": Foreground(("-obackground=NO",)),
    "xinetd": Foreground(("-dontfork",)),
}
# By package: the whole command line, where the unit starts a helper or an init script, or where there is no unit.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "apache2": ("/usr/sbin/apache2ctl", "-D", "FOREGROUND"),
    "atftpd": ("/usr/sbin/in.tftpd", "--daemon", "--no-fork", "--port", "69", "/srv/tftp"),
    "cron": ("/usr/sbin/cron", "-f"),
    "dnsmasq": (
        "/usr/sbin/dnsmasq",
        "--keep-in-foreground",
        "--conf-dir=/etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new",
    ),
    "exim4-daemon-heavy": ("/usr/sbin/exim4", "-bdf", "-q30m"),
    "exim4-daemon-light": ("/usr/sbin/exim4", "-bdf", "-q30m"),
    "icecast2": ("/usr/bin/icecast2", "-c", "/etc/icecast2/icecast.xml"),
    "mariadb-server": ("/usr/sbin/mariadbd", "--user=mysql", "--bind-address=*"),
    "nginx": ("/usr/sbin/nginx", "-g", "daemon off;"),
    "ntpsec": ("/usr/sbin/ntpd", "-n", "-g", "-c", "/etc/ntpsec/ntp.conf"),
    "postfix": ("/usr/sbin/postfix", "start-fg"),
    "slapd": ("/usr/sbin/slapd", "-h", "ldap:/// ldapi:///", "-u", "openldap", "-g", "openldap", "-d", "0"),
    "tftpd-hpa": ("/usr/sbin/in.tftpd", "--foreground", "--address", ":69", "--secure", "/srv/tftp"),
    "tor": (
        *("/usr/bin/tor", "--defaults-torrc", "/usr/share/tor/tor-service-defaults-torrc", "-f", "/etc/tor/torrc"),
        *("--RunAsDaemon", "0"),
    ),
}
# Packages with services that are parts of a system, none of which a container is for.
NONE = {"libvirt-daemon-system", "systemd", "systemd-sysv", "udev", "util-linux"}
# Packages whose program is in another package that they depend on.
PROVIDERS = {"nginx": "nginx-common", "nginx-light": "nginx-common", "nginx-full": "nginx-common"}
# By the name of the program.
PORTS: Mapping[str, tuple[int | str, ...]] = {
    "apache2": (80,), "apache2ctl": (80,), "beanstalkd": (11300,), "caddy": (80,), "coturn": (3478,), "cupsd": (631,),
    "dnsmasq": (53, "53/udp"), "dovecot": (143, 110), "ejabberdctl": (5222, 5269, 5280), "etcd": (2379, 2380),
    "exim4": (25,), "freeradius": ("1812/udp", "1813/udp"), "gearmand": (4730,), "grafana-server": (3000,),
    "haproxy": (), "icecast2": (8000,), "in.tftpd": ("69/udp",), "influxd": (8086,), "inspircd": (6667,),
    "knotd": (53, "53/udp"), "lighttpd": (80,), "mariadbd": (3306,), "memcached": (11211,), "minidlnad": (8200,),
    "mosquitto": (1883,), "mpd": (6600,), "mysqld": (3306,), "named": (53, "53/udp"), "nats-server": (4222,),
    "nginx": (80,), "ngircd": (6667,), "nsd": (53, "53/udp"), "ntpd": ("123/udp",), "pdns_recursor": (53, "53/udp"),
    "pdns_server": (53, "53/udp"), "postfix": (25,), "postgres": (5432,), "privoxy": (8118,), "proftpd": (21,),
    "prometheus": (9090,), "prosody": (5222, 5269), "rabbitmq-server": (5672,), "redis-server": (6379,),
    "rsync": (873,), "slapd": (389,), "smbd": (445,), "snmpd": ("161/udp",), "squid": (3128,), "sshd": (22,),
    "systemd-memcached-wrapper": (11211,), "tinyproxy": (8888,), "tomcat-start.sh": (8080,), "tor": (9050,),
    "transmission-daemon": (9091,), "turnserver": (3478,), "unbound": (53, "53/udp"), "valkey-server": (6379,),
    "varnishd": (6081,), "vsftpd": (21,), "znc": (6667,),
}  # fmt: skip
# Directories that init scripts make, and their owners.
RUN_DIRECTORIES: Mapping[str, tuple[str, str]] = {"slapd": ("run/slapd", "openldap")}
# State that packages keep in a directory that no unit declares.
VOLUMES: Mapping[str, tuple[str, ...]] = {
    "beanstalkd": ("/var/lib/beanstalkd",), "mariadb-server": ("/var/lib/mysql",),
    "prometheus": ("/var/lib/prometheus",), "rabbitmq-server": ("/var/lib/rabbitmq",),
    "redis-server": ("/var/lib/redis",), "slapd": ("/var/lib/ldap",), "valkey-server": ("/var/lib/valkey",),
}  # fmt: skip
SIGNALS = {"apache2": "SIGWINCH", "nginx": "SIGQUIT", "postgresql": "SIGINT"}
