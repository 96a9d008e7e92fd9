# Build a component: a library and a program that prints the libraries of both. It stands for the function with which a
# company builds all its packages. The package set passes `debian` and `flags`; a file of the set passes the rest.
component({ debian, flags }) = ({ name: string, version: string, libs: list = [], ...given }) =>
  let linked = join(["-l${l.name}" for l in libs], " ")
  in package {
    name, version, libs
    source = text("${name}.c", code(name, version, libs))
    tools = [debian.gcc, debian.libc6-dev]
    build = """
      gcc ${join(flags, " ")} -shared -fPIC ${name}.c -o lib${name}.so -Wl,-soname,lib${name}.so.${major(version)} \${LDFLAGS-} ${linked}
      echo 'void ${symbol-of(name, version)}(int); int main(void) { ${symbol-of(name, version)}(0); return 0; }' >main.c
      gcc main.c -o ${name} -L. -l${name} \${LDFLAGS-} -Wl,-rpath,$out/lib -Wl,--allow-shlib-undefined
    """
    install = """
      install -D ${name} $out/bin/${name}
      install -D lib${name}.so $out/lib/lib${name}.so.${major(version)}
      ln -s lib${name}.so.${major(version)} $out/lib/lib${name}.so
    """
    extra = { symbol = symbol-of(name, version) }
    ...given
  }

# Two major versions of a library have different names of files and functions, so that one program can load both.
major(version) = head(split(version, "."))
symbol-of(name, version) = replace("${name}-${major(version)}", "-", "_")

code(name, version, libs) = """
  #include <stdio.h>
  ${join(["void ${l.extra.symbol}(int);" for l in libs], "\n")}
  void ${symbol-of(name, version)}(int depth) {
    static int seen;
    if (seen++) return;
    printf("%*s${name} ${version}\\n", depth, "");
    ${join(["${l.extra.symbol}(depth + 2);" for l in libs], "\n")}
  }
"""
