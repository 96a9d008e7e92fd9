# Python 3.13 with pip and venv: docker.io's python:3.13-slim, not as root.
#
#   fpack pack python
#   podman load -i python.tar
#   podman run -it -v .:/app:ro -w /app localhost/python:3.13 python app.py
#
# `pip install` puts packages into the user's home. There is no compiler, so they come as wheels.

debian = import("fpack/debian").trixie

image = container {
  name = "python"
  tag = "3.13"

  # python3 is only a link; the interpreter and the standard library are in four other packages. Also listed is what
  # wheels and interactive use need: the C++ library, certificates, time zones, descriptions of terminals.
  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [
    debian.python3, debian.python-is-python3, debian."python3.13", debian."python3.13-minimal",
    debian."libpython3.13-stdlib", debian."libpython3.13-minimal",
    debian.python3-pip, debian."python3.13-venv", debian.python3-pip-whl,
    debian.ca-certificates, debian.tzdata, debian.ncurses-base, debian."libstdc++6", debian.libc-bin, debian.dash,
    debian.coreutils,
  ]
  rules = {
    # Berkeley DB is only for the module dbm.ndbm. The marker EXTERNALLY-MANAGED stops pip, which may install here.
    "libpython3.13-stdlib" = {
      drop = ["/usr/lib/python3.13/lib-dynload/_dbm.*", "/usr/lib/python3.13/EXTERNALLY-MANAGED"]
    }
    coreutils = { keep = ["/usr/bin/env"] }                                # for `#!/usr/bin/env python3`
    libc-bin = { keep = ["/usr/lib/locale/C.utf8", "/usr/sbin/ldconfig"] } # ctypes.util.find_library runs it
    ca-certificates = { keep = ["/usr/share/ca-certificates"] }
    tzdata = { keep = ["/usr/share/zoneinfo"] }
    ncurses-base = { keep = ["/usr/share/terminfo", "/etc/terminfo"] }
    "libstdc++6" = { keep = ["/usr/lib/*/libstdc++.so.6*"] }
  }

  command = ["python3"]
  init = if command == ["python3"] then false else null # another program may need one
  user = "nonroot"
  users = { nonroot = { uid = 65532, gid = 65532, home = "/home/nonroot" } }
  workdir = "/home/nonroot"

  env = {
    PATH = "/home/nonroot/.local/bin:/usr/local/bin:/usr/bin:/bin"
    LANG = "C.UTF-8"
    PIP_DISABLE_PIP_VERSION_CHECK = "1"
  }

  directories = { "/home/nonroot" = { user = "nonroot" } }
}
