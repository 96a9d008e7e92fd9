# A company's packages: each file below pkgs is a function of the packages that it names. Layers change the set, and what
# they change reaches everything that is made from it.
set = package-set(./pkgs)

# One library patched for all: the files of another directory extend the set.
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
