# Tools to debug containers: a shell, processes, system calls, network. `kubectl debug --image` takes this image.
#
# With a target (`kubectl debug --target`), the target's files are at /proc/1/root. The image runs as any user.

debian = import("fpack/debian").trixie

image = container {
  name = "debug-tools"
  tag = "13" # the release of Debian
  packages = [get(debian, name) for name in import("fpack/debug").usual-packages]
  closure = "linked"
  interpreted = false
  init = false
  rules = { util-linux = { keep = import("fpack/debug").usual-programs } }
  command = ["/usr/bin/bash"]
  env = { LANG = "C.UTF-8", HISTFILE = "" }
}
