# A company's packages: each file below pkgs is a function whose parameters are the packages that it needs. A layer
# changes packages of the set, and everything that is made from them changes, too.
set = package-set(./pkgs)

# Patch one library for all packages: the files of another directory extend the set.
hardened = package-set(./overlays/hardened, set)

# A layer can also be a record of changes. The order of independent layers does not matter.
debug = { flags = ["-O0", "-g"] }
next-tls = hardened.extend { base.tls.version = "4.0.0" }
everything = next-tls.extend(debug)

# Two versions of one library: `apps.terminal` is linked with `base.tls-1`, and with `net.http`, which has `base.tls`.
image = container {
  packages = [hardened.apps.terminal]
  closure = "linked"
}
