# Tools that run beside the files of any container: their programs, libraries and data are below /.fp.

# The packages that are always among the tools. `fpack debug` itself runs dash and setsid.
usual-packages = [
  "bash", "coreutils", "dash", "findutils", "grep", "iproute2", "less", "mawk", "procps", "sed", "strace", "util-linux",
]

# The programs of util-linux among them.
usual-programs = ["/usr/bin/lsns", "/usr/bin/nsenter", "/usr/bin/prlimit", "/usr/bin/setsid", "/usr/bin/unshare"]

# release, arch: of Debian. more: names of further packages of the release.
tools({ release: string, arch: string = settings.arch, more: list = [] }) =
  let
    debian = import("fpack/debian-package").of-release(release, arch)
    packed = container {
      name = "debug-tools"
      tag = "tools"
      packages = [get(debian, name) for name in unique([...usual-packages, ...more, "libc-bin", "ncurses-base"])]
      closure = "linked"
      rules = {
        # The locale that the tools use.
        libc-bin = { keep = ["/usr/lib/locale"] }
        ...if contains(more, "util-linux") then {} else { util-linux = { keep = usual-programs } }
      }
      release
    }
  in derivation {
    kind = "relocated"
    name = "debug-tools"
    root = packed.root
  }
