# Cross builds: this machine's tools compile for another architecture, with the cross compilers of Debian.
#
# The build's root has the tools for the machine, and beside them the headers and libraries of the packages that the
# result is linked with, for the other architecture, in the directories that Debian has for each (multiarch).

# What is compiled for and where, or null if that is one architecture. cross: as in `make`. A build whose `platform` is
# given runs there, and a command that only evaluates knows no machine.
of(cross, given) =
  let
    target = import("./common.fp").arch-of(given)
    here = if cross && !has(given, "platform") then get(settings, "machine", target) else target
  in
    if here == target then null
    else
      let gnu = gnu-name(target) in {
        multiarch = import("fpack/platform").of(target).triplet
        here, target, gnu
      }

# GNU's name of an architecture, by which its tools begin: Debian's libraries are of i386, and its compiler of i686.
gnu-name(arch) = replace(import("fpack/platform").of(arch).triplet, "i386-", "i686-")

# The arguments for such a build: the compilers among `names`, and those that the user lists, are the cross compilers and
# those of this machine, for programs that the build itself runs.
arguments(c, given, names) =
  let
    there = { ...given, platform = c.here, target = c.target }
    listed = [...names, ...[p.name for p in given.tools or []]]
    languages = [n for n in ["gcc", "g++", "gfortran"] if contains(listed, n)]
    common = import("./common.fp")
    release = common.release-of(given)
    programs-here = import("fpack/debian-package").of-release(release, c.here)
    libraries = import("fpack/debian-package").of-release(release, c.target)
  in {
    ...there
    tools = [...given.tools or [], ...[compiler(programs-here, release, c, n) for n in languages]]
    libs = [...given.libs or [], ...[get(libraries, n) for l in languages for n in get(runtimes, l)]]
  }

compiler(tools, release, c, language) =
  let found = get(tools, "${language}-${replace-all(c.gnu, "_", "-")}", null) in
  if found != null then found
  else error(
    "${release} has no cross compiler ${language} from ${c.here} to ${c.target}: leave out cross = true, and an emulator runs the build",
    "cross",
  )

# What programs of each language are linked with, by packages of their own architecture.
runtimes = {
  gcc = ["libatomic1", "libc6-dev", "libgcc-s1", "libgomp1"]
  "g++" = ["libstdc++6"]
  gfortran = ["libgfortran5"]
}

# The variables by which build systems find the tools. Those of the machine have names that autoconf, Kconfig and others
# know.
variables(c) = {
  ...{ ${variable} = "${c.gnu}-${tool}" for variable, tool in programs }
  BUILD_CC = "gcc"
  CC_FOR_BUILD = "gcc"
  CXX_FOR_BUILD = "g++"
  HOSTCC = "gcc"
  HOSTCXX = "g++"
  PKG_CONFIG_LIBDIR = "/usr/lib/${c.multiarch}/pkgconfig:/usr/share/pkgconfig"
  PKG_CONFIG_SYSTEM_INCLUDE_PATH = "/usr/include/${c.multiarch}:/usr/include"
  PKG_CONFIG_SYSTEM_LIBRARY_PATH = "/usr/lib/${c.multiarch}:/usr/lib"
}

programs = {
  AR = "ar", CC = "gcc", CXX = "g++", LD = "ld", NM = "nm", OBJCOPY = "objcopy", OBJDUMP = "objdump"
  RANLIB = "ranlib", READELF = "readelf", STRIP = "strip"
}

# `install -s` runs `strip`, by this name.
prepare(c) = """
  mkdir -p /build/cross
  ln -sf /usr/bin/${c.gnu}-strip /build/cross/strip
  export PATH="/build/cross:$PATH"
"""

# ---- build systems

# A script that fills `crossed` with arguments for `make`: the variables of the Makefile that name a tool of the machine.
# Those that are in the environment only, as CC, a Makefile with `CC = gcc` would not heed.
make-arguments(c, flags) = """
  crossed=()
  while IFS= read -r line; do
    if [[ $line =~ ^([A-Za-z_][A-Za-z0-9_]*)\\ :*=\\ (\\$[\\(\\{](CROSS[A-Za-z_]*|[A-Za-z_]*PREFIX)[\\)\\}])?(cc|gcc|c99|c\\+\\+|g\\+\\+|ld|ar|as|nm|ranlib|strip|objcopy|objdump|readelf)(\\ .*)?$ ]]; then
      name=\${BASH_REMATCH[1]} tool=\${BASH_REMATCH[4]} rest=\${BASH_REMATCH[5]}
      case $name in *HOST* | *BUILD* | *NATIVE*) continue ;; esac
      case $tool in cc) tool=gcc ;; c99) tool="gcc -std=c99" ;; c++) tool=g++ ;; esac
      crossed+=("$name=${c.gnu}-$tool$rest")
    fi
  done < <(make -pnq${flags} 2>/dev/null || true)
  if [ \${#crossed[@]} != 0 ]; then echo "for ${c.target}: \${crossed[*]}"; fi
"""

# Words for `configure`. A script that is not autoconf's may know no such option, and reads the variables.
configure-words(c) =
  "$(if grep -q -e --host= configure; then echo --build=${gnu-name(c.here)} --host=${c.gnu}; fi)"

# A script that writes the file by which CMake, and the projects that it builds itself, know what is compiled for.
cmake-file(c) = """
  cat >/build/cross/toolchain.cmake <<'END'
  set(CMAKE_SYSTEM_NAME Linux)
  set(CMAKE_SYSTEM_PROCESSOR ${processor(c)})
  set(CMAKE_C_COMPILER ${c.gnu}-gcc)
  set(CMAKE_CXX_COMPILER ${c.gnu}-g++)
  if(EXISTS /usr/bin/${c.gnu}-gfortran)
    set(CMAKE_Fortran_COMPILER ${c.gnu}-gfortran)
  endif()
  set(CMAKE_LIBRARY_ARCHITECTURE ${c.multiarch})
  END
  export CMAKE_TOOLCHAIN_FILE=/build/cross/toolchain.cmake
"""

# The same for Meson.
meson-file(c) =
  let
    languages = { c = "gcc", cpp = "g++", fortran = "gfortran" }
    tools = { ar = "ar", nm = "nm", objcopy = "objcopy", strip = "strip" }
    lines = ["${n} = '${c.gnu}-${tool}'" for n, tool in { ...languages, ...tools }]
  in """
    cat >/build/cross/cross.ini <<'END'
    [binaries]
    ${join(lines, "\n")}
    pkg-config = 'pkg-config'
    [properties]
    needs_exe_wrapper = true
    pkg_config_libdir = '/usr/lib/${c.multiarch}/pkgconfig:/usr/share/pkgconfig'
    [host_machine]
    system = 'linux'
    cpu_family = '${get(cpu-families, c.target, processor(c))}'
    cpu = '${processor(c)}'
    endian = '${if c.target == "s390x" then "big" else "little"}'
    END
  """

processor(c) = import("fpack/platform").of(c.target).machine

# Meson's names of families that differ from those of the machines.
cpu-families = { armel = "arm", armhf = "arm", i386 = "x86", ppc64el = "ppc64" }

# ---- the root

# A tool as a package for the machine that the build runs on.
tool(here, p) =
  if type(p) == "record" && has(p, "out") && has(p, "platform") && p.platform.arch != here then p.with {
    platform = here
  }
  else p

# The root of a build with packages of the result's architecture beside it: what compilers, linkers and pkg-config read of
# them. A package for all architectures that the tools have too is there already.
root(release, here, tools, target, packages) =
  let
    own = import("fpack/package")
    names = unique([p.name for p in packages])
    tool-names = unique([p.name for p in tools])
    all-tools = debian-closure(release, tool-names, here)
    known = { ${p.name} = true for p in all-tools }
    found = [p for p in debian-closure(release, names, target) if p.arch != "all" || !has(known, p.name)]
    triplet = import("fpack/platform").of(target).triplet
    rules = { ${p.name} = { keep = kept(triplet), drop = [], beside = target } for p in found }
    there = [
      { ...m, package = "${m.package}:${target}", depends = ["${d}:${target}" for d in m.depends] }
      for m in import("fpack/container").members(release, found, names, rules, packages)
    ]
  in own.root-of(release, here, [...own.whole-slices(release, all-tools, tool-names, tools), ...there])

# Programs of another architecture do not run, and their names are those of the tools.
kept(triplet) = [
  "/usr/include/**", "/usr/lib/${triplet}/**", "/lib/${triplet}/**", "/usr/lib/*.so*", "/lib/*.so*", "/lib64/**",
  "/usr/lib/pkgconfig/**", "/usr/lib/cmake/**", "/usr/lib/rustlib/**", "/usr/share/pkgconfig/**",
  "/usr/share/cmake/**",
]
