# figlet from Debian's source with Debian's patches and one more patch.

debian = import("fpack/debian").trixie

figlet = make {
  name = "figlet"
  version = "2.2.5"
  source = fetch {
    url = "mirror://debian/pool/main/f/figlet/figlet_${version}.orig.tar.gz"
    sha256 = "bf88c40fd0f077dab2712f54f8d39ac952e4e9f2e1882f1195be9e5e4257417d"
  }
  patches = [./patches/width-from-columns.patch]

  # Debian's patches are applied first, in the order of the file `series`. The patched Makefile calls dpkg-buildflags for
  # Debian's compiler flags, so dpkg-dev is a tool.
  flags = ["prefix=\"$out\""]
  tools = [debian.dpkg-dev]
  env = {
    DEB_VENDOR = "Debian"
    debian = fetch {
      url = "mirror://debian/pool/main/f/figlet/figlet_2.2.5-3.debian.tar.xz"
      sha256 = "38fe48441d93a8c379c73be792d9395f3e6a45c4841783832c7d4f068545e6fb"
    }
  }
  patch = """
    tar -xf "$debian" --no-same-owner
    while read -r each; do
      patch -p1 <"debian/patches/$each"
    done <debian/patches/series
    for each in $patches; do
      patch -p1 <"$each"
    done
  """
}

image = container {
  packages = [figlet]
  closure = "linked"
  entrypoint = ["${figlet}/bin/figlet"]
}
