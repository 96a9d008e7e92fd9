# Platforms: what programs are built for. In every file, `platform` is that of the evaluation: this machine's, or that of
# `--platform` and `--arch`.
#
#   platform.arch     Debian's name of the architecture, such as amd64 or arm64
#   platform.name     as container tools write it: linux/amd64, linux/arm64, linux/arm/v7
#   platform.machine  as `uname -m` and many downloads have it: x86_64, aarch64

# What is built for.
current = of(settings.arch)

# The platform of a text, such as "arm64" or "linux/arm64". A platform stays as it is.
#
#   platforms.of("linux/arm64").arch == "arm64"
#   platforms.of("arm64").machine == "aarch64"
of(given) =
  if type(given) == "record" then given
  else if type(given) != "string" then error("A platform is a string, such as \"linux/arm64\"", "platform")
  else if has(all, given) then all.${given}
  else
    let found = [p for arch, p in all if contains([p.name, ...get(others, arch, [])], given)] in
    if found != [] then head(found)
    else error("There is no platform ${to-json(given)}: there are ${join(names(all), ", ")}", "platform")

# The platforms by Debian's names of the architectures.
all = map-record(
  {
    amd64 = { name = "linux/amd64", machine = "x86_64", triplet = "x86_64-linux-gnu" }
    arm64 = { name = "linux/arm64", machine = "aarch64", triplet = "aarch64-linux-gnu" }
    armel = { name = "linux/arm/v5", machine = "armv5tel", triplet = "arm-linux-gnueabi" }
    armhf = { name = "linux/arm/v7", machine = "armv7l", triplet = "arm-linux-gnueabihf" }
    i386 = { name = "linux/386", machine = "i686", triplet = "i386-linux-gnu" }
    loong64 = { name = "linux/loong64", machine = "loongarch64", triplet = "loongarch64-linux-gnu" }
    mips64el = { name = "linux/mips64le", machine = "mips64", triplet = "mips64el-linux-gnuabi64" }
    ppc64el = { name = "linux/ppc64le", machine = "ppc64le", triplet = "powerpc64le-linux-gnu" }
    riscv64 = { name = "linux/riscv64", machine = "riscv64", triplet = "riscv64-linux-gnu" }
    s390x = { name = "linux/s390x", machine = "s390x", triplet = "s390x-linux-gnu" }
  },
  (arch, p) => { os = "linux", arch, ...p },
)

# Further names of platforms.
others = { amd64 = ["linux/amd64/v1"], arm64 = ["linux/arm64/v8"], armhf = ["linux/arm"] }

# The one architecture of packages, or `default` if there are none. what: who lists them, for the error.
one-arch(what, packages, default) =
  let archs = unique([p.platform.arch for p in packages]) in
  if archs == [] then default
  else if length(archs) == 1 then head(archs)
  else
    let
      some = [head([p for p in packages if p.platform.arch == a]) for a in archs]
      listed = join(["${p.name} for ${p.platform.arch}" for p in some], " and ")
    in error(
      "${what} has packages of one architecture, and these are ${listed}; platform = \"${head(archs)}\" takes all for it",
      "packages",
    )
