# Makefiles for BSD's make: Debian's bmake, with its files for `.include <bsd.prog.mk>` and the like.

make = "bmake"

# Pages of the manual are installed as they are, and not formatted before.
flags = [
  "prefix=\"$out\"",
  "MANDIR=\"$out/share/man\"",
  "MANTARGET=man",
  "DBG=-O2",
  "INSTALL=/build/bsd/install",
  "CC=/build/bsd/cc",
]

# Programs that the Makefiles run. The compiler knows what BSD's own headers have and Debian's lack, and with libbsd-dev
# among `libs` the functions of BSD's library. What OpenBSD offers to give up rights does nothing. `install` sets no owner,
# which a build cannot do, and makes the directory.
prepare = """
  mkdir -p /build/bsd
  library=
  for each in /usr/include/bsd /usr/include/*-linux-gnu*/bsd; do
    if [ -d "$each" ]; then
      library="-isystem $each -DLIBBSD_OVERLAY -Wl,--push-state,--no-as-needed -lbsd -Wl,--pop-state"
    fi
  done
  cat >/build/bsd/cc <<end
  #!/bin/sh
  exec \${CC:-gcc} $library -D_GNU_SOURCE '-D__dead=__attribute__((__noreturn__))' -D__va_list=__builtin_va_list \\
    '-Dpledge(promises,execpromises)=0' '-Dunveil(path,permissions)=0' -DALTWERASE=0 -DOPEN_MAX=1024 \\
    -include time.h -include sys/file.h "\\$@"
  end
  cat >/build/bsd/install <<'end'
  #!/bin/bash
  words=() makes=
  while [ $# -gt 0 ]; do
    case "$1" in
      -o | -g | -f) shift ;;
      -m) words+=("$1" "$2"); shift ;;
      -d) words+=("$1"); makes=1 ;;
      -c | -C | -p | -s | -S | -U) ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  target="\${words[-1]}"
  if [ -z "$makes" ]; then
    case "$target" in
      */) mkdir -p "$target" ;;
      */*) mkdir -p "\${target%/*}" ;;
    esac
  fi
  exec install "\${words[@]}"
  end
  chmod +x /build/bsd/cc /build/bsd/install
"""

# Makefiles name directories of the system, such as BINDIR=/usr/sbin: what they install is moved to the output.
install(words) = """
  bmake install${words} DESTDIR=/build/staged
  cd /build/staged
  mkdir -p "$out"
  for each in "\${out#/}" usr/local usr .; do
    if [ -d "$each" ]; then
      cp -a "$each/." "$out"
      rm -rf "$each"/*
    fi
    find . -mindepth 1 -type d -empty -delete
  done
"""
