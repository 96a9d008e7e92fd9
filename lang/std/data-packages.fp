# Packages of data that others only recommend, and do not work without in practice. A container gets one if it has a
# package that uses it, but not its dependencies: these are for its maintainer scripts.

# { PACKAGE = { users, why, keep } }. users: the packages that use it; any dependency counts in a container with declared
# dependencies, the listed packages in a linked one. keep: its files.
data-packages = {
  ca-certificates = {
    users = [
      "aria2", "curl", "emacs-nox", "git", "libcurl3t64-gnutls", "libcurl4t64", "libio-socket-ssl-perl", "lynx", "mutt",
      "neomutt", "python3-requests", "python3-urllib3", "w3m", "wget", "wget2",
    ]
    why = "the certificates of https servers"
    keep = ["/usr/share/ca-certificates"]
  }
  dns-root-data = {
    users = ["knot-resolver", "pdns-recursor", "unbound"]
    why = "the keys of the root of DNS"
    keep = null
  }
  netbase = {
    users = [
      "bind9-dnsutils", "iproute2", "libperl5.40", "libpython3.13-stdlib", "libtirpc3t64", "nmap", "openbsd-inetd", "xinetd",
    ]
    why = "the names of services and protocols"
    keep = null
  }
  fonts-dejavu-core = {
    users = ["gnuplot-nox", "graphviz", "libpango-1.0-0", "libgd3", "imagemagick-7.q16", "openjdk-21-jre", "rrdtool"]
    why = "a font"
    keep = null
  }
}

# The data packages that `names` use and that are not among them, as { name, by, why, keep }.
used-by(names) = [
  { name, by = head([u for u in d.users if contains(names, u)]), why = d.why, keep = d.keep }
  for name, d in data-packages
  if !contains(names, name) && any(d.users, u => contains(names, u))
]
