# Packages of data that others only recommend, and do not work without in practice. A container gets one if it has a
# package that uses it, but not its dependencies: these are for its maintainer scripts.

# { name, users, why, keep }. users: the packages that use it; any dependency counts in a container with declared
# dependencies, the listed packages in a linked one. keep: its files.
data-packages = [
  {
    name = "ca-certificates"
    users = [
      "aria2", "curl", "emacs-nox", "git", "libcurl3t64-gnutls", "libcurl4t64", "libio-socket-ssl-perl", "lynx", "mutt",
      "neomutt", "python3-requests", "python3-urllib3", "w3m", "wget", "wget2",
    ]
    why = "the certificates of https servers"
    keep = ["/usr/share/ca-certificates"]
  },
  {
    name = "dns-root-data"
    users = ["knot-resolver", "pdns-recursor", "unbound"]
    why = "the keys of the root of DNS"
    keep = null
  },
  {
    name = "netbase"
    users = [
      "bind9-dnsutils", "iproute2", "libperl5.40", "libpython3.13-stdlib", "libtirpc3t64", "nmap", "openbsd-inetd", "xinetd",
    ]
    why = "the names of services and protocols"
    keep = null
  },
  {
    name = "fonts-dejavu-core"
    users = ["gnuplot-nox", "graphviz", "libpango-1.0-0", "libgd3", "imagemagick-7.q16", "openjdk-21-jre", "rrdtool"]
    why = "a font"
    keep = null
  },
]

# The data packages that `names` use and that are not among them, as { name, by, why, keep }.
used-by(names) = [
  { name = d.name, by = head([u for u in d.users if contains(names, u)]), why = d.why, keep = d.keep }
  for d in data-packages
  if !contains(names, d.name) && any(d.users, u => contains(names, u))
]

# Essential packages that others read files of or run by computed names, which neither declares nor calls show:
# { PACKAGE = { users, listed, why } }. listed: it counts only if the container lists the user. They are included with
# their dependencies.
essential-packages = {
  bsdutils = {
    users = ["adduser"]
    listed = true
    why = "`logger`, for the messages of adduser"
  }
  dpkg = {
    users = ["libapt-pkg6.0", "libapt-pkg6.0t64", "libapt-pkg7.0", "apt", "apt-utils", "aptitude", "python3-apt"]
    listed = false
    why = "the table of architectures and the database of packages"
  }
  findutils = {
    users = ["adduser"]
    listed = true
    why = "`find`, which lists /etc/skel"
  }
  util-linux = {
    users = ["sensible-utils"]
    listed = true
    why = "the pager `more`"
  }
}

# The Essential packages that `names` rely on and that are not among them, as { name, by, why }. listed: the packages of
# the container.
relied-on(names, listed) = [
  { name, by = head([u for u in e.users if contains(if e.listed then listed else names, u)]), why = e.why }
  for name, e in essential-packages
  if !contains(names, name) && any(e.users, u => contains(if e.listed then listed else names, u))
]
