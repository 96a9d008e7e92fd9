# Java programs that Maven builds, with the files of repositories that their lock names.

# The lock is the file maven.lock of the source, which `fpack lock` writes: each plugin and library with its SHA-256.
# lock: another file. module: the module that has the program, by its directory. main: its main class, if the jar names
# none. bundled: the jar has all that it needs, as those of Spring Boot do. jdk: the version of Java, 21 or 25, or 17 or 11
# of an older release. level: what sources for older versions of Java are compiled as. repositories: URLs of repositories besides Maven's central one. goals, flags: words for `mvn`.
# All else is as in `package`.
# $out/bin/NAME runs the program; its jar is $out/share/java/NAME.jar, and what it needs is beside it in NAME.lib.
maven({
  lock: path | null = null,
  module: string = ".",
  main: string = "",
  bundled: bool = false,
  library: bool = false,
  jdk: int = 21,
  level: int | null = null,
  repositories: list = [],
  goals: list = ["package"],
  flags: list = [],
  ...rest
}) =
  let
    common = import("./common.fp")
    jdks = import("./jdk.fp")
    given = jdks.with-release(rest, jdk)
    source = given.source or null
    in-source = type(source) == "path"
    file =
      if lock != null then lock
      else if in-source && has(read-dir(source), "maven.lock") then source + "/maven.lock"
      else null
    data = if file == null then error("There is no maven.lock yet: run fpack lock", "lock") else read-json(file)
    of = if in-source then hash(join(poms(source), "\n"), "sha256") else ""
    listing = repository(data, of, "pom.xml")
    words = common.words
    one = if module == "." then "" else " -pl \"${in-quotes(module)}\" -am"
    libraries =
      if bundled || library then ""
      else " org.apache.maven.plugins:maven-dependency-plugin:${copier}:copy-dependencies -DincludeScope=runtime -DoutputDirectory=/build/libraries"
    command = "mvn -B -ntp -s /build/settings.xml${one}${words(flags)}${words(goals)}${libraries}"
    java-home = "/usr/lib/jvm/java-${jdk}-openjdk-${common.arch-of(given)}"
    # The process that runs the tests asks ps whether Maven still runs.
    tools = ["maven", "openjdk-${jdk}-jdk-headless", "procps"]
    runtime = if library then [] else common.debian-tools(given, ["openjdk-${jdk}-jre-headless", "dash"])
    variables = {
      JAVA_HOME = java-home
      # The time in jars, and no directories that depend on the user.
      MAVEN_OPTS = "-Dmaven.repo.local=/build/m2 -Dproject.build.outputTimestamp=1980-02-01T00:00:00Z -Duser.home=/build/home -Djava.io.tmpdir=/tmp"
    }
    asked = common.with-defaults(given, [...tools, ...jdks.bridging(jdk)], { env = variables })
    resolved = resolve-with {
      name = "maven.lock"
      root = asked.root
      unpack = asked.unpack
      # Tests run because what runs them is only then asked for. Neither whether nor when they end matters.
      script = resolving(
        jdk,
        jdks.raised(level) + only-repository,
        "${command} -Dmaven.test.failure.ignore=true -Dsurefire.timeout=60",
      )
      repositories = [central, ...repositories]
      variables, source
    }
    made = common.with-defaults({
      ...given
      extra = { ...given.extra or {}, locker = { name = "maven.lock", out = resolved.out, of, directory = source } }
    }, tools, {
      configure = jdks.raised(level) + offline
      build = "${command} -DskipTests"
      check = "mvn -B -ntp -s /build/settings.xml${one}${words(flags)} test"
      install = if library then install-library(module)
        else install-program(module, given.name, main, bundled, java-home)
      env = { ...variables, artifacts = "${listing}" }
      runtime
    })
  in made

# A derivation that resolves what a build needs, and whose output is the lock.
resolve-with({ name, root, unpack, script, variables, source, repositories }) = derivation {
  kind = "resolve"
  shell = "/bin/bash"
  phases = [{ name = "unpack", script = unpack }, { name = "resolve", script }]
  env = { ...variables, source = "${source}", bridge = "${text("Bridge.java", bridge)}" }
  repositories = ["maven:${replace-all(r, "/+$", "")}/" for r in outer.repositories]
  name, root
}

# The files that a lock names, as lines of a path and a store path. of: what the lock must be of.
repository(data, of, file) =
  let
    files =
      if get(data, "format", 0) != 1 then error("This is not a lock that fpack wrote", "lock")
      else if get(data, "of", "") != of then error("The lock was made for another ${file}: run fpack lock", "lock")
      else data.files
  in text("repository", join(["${p} ${artifact(p, f)}\n" for p, f in files], ""))

central = "https://repo.maven.apache.org/maven2"
# The version of the plugin that copies the libraries of a program.
copier = "3.8.1"

# The texts of a pom.xml and of those of its modules. A module that is not there is one of a comment or a profile.
poms(directory) = poms-of(directory, read-text(directory + "/pom.xml"))

poms-of(directory, content) =
  let
    modules = unique(find-all(content, "<module>\\s*([^<>\\s]+?)/?\\s*</module>"))
    below = [m for m in modules if match(m, "(.*/)?\\.\\.(/.*)?") == null && !starts-with(m, "/")]
  in [content, ...flatten([module-poms(directory, split(m, "/")) for m in below])]

# Those of a module, by the parts of its path: a directory with a pom.xml, or a file.
module-poms(directory, parts) =
  let
    name = head(parts)
    more = tail(parts)
    kind = get(read-dir(directory), name, null)
  in
    if name == "." || name == "" then if more == [] then [] else module-poms(directory, more)
    else if kind == "file" && more == [] then [read-text(directory + "/${name}")]
    else if kind != "directory" then []
    else if more != [] then module-poms(directory + "/${name}", more)
    else if has(read-dir(directory + "/${name}"), "pom.xml") then poms(directory + "/${name}")
    else []

artifact(path, f) =
  let file = head(reverse(split(path, "/"))) in
  if match(path, "[A-Za-z0-9_][A-Za-z0-9._+~@!-]*(/[A-Za-z0-9_][A-Za-z0-9._+~@!-]*)*") == null then
    error("The lock has an invalid path: ${to-json(path)}", "lock")
  else if has(f, "text") then text(store-name(file), f.text)
  else derivation {
    kind = "fetch"
    name = store-name(file)
    urls = ["${f.repository}/${path}"]
    sha256 = f.sha256
    size = null
    executable = false
  }

# Files lie as in a repository, with checksums beside them.
laid-out = """
  mkdir -p /build/repository
  while read -r path file; do
    mkdir -p "/build/repository/$(dirname "$path")"
    ln -s "$file" "/build/repository/$path"
    set -- $(sha1sum "$file")
    printf %s "$1" >"/build/repository/$path.sha1"
  done <"$artifacts"
  set --
  repository=file:///build/repository
"""

# The only repository is the mirror of all others.
only-repository = """
  cat >/build/settings.xml <<END
  <settings><mirrors><mirror><id>store</id><mirrorOf>*</mirrorOf><url>$repository</url></mirror></mirrors></settings>
  END
"""

offline = laid-out + only-repository

# Java has sockets of files since version 16.
bridge-of(jdk) =
  if jdk >= 16 then "java \"$bridge\" /build/repository /build/port &"
  else "socat TCP-LISTEN:8000,bind=127.0.0.1,fork,reuseaddr UNIX-CONNECT:/build/repository &\n  echo 8000 >/build/port"

# The bridge leads from a port to the server of the repositories, which returns what it has recorded.
resolving(jdk, prepare, command) = """
  ${bridge-of(jdk)}
  bridge_pid=$!
  trap 'kill $bridge_pid; wait $bridge_pid || :' EXIT
  while [ ! -s /build/port ]; do
    kill -0 $bridge_pid
    sleep 0.1
  done
  repository=http://127.0.0.1:$(cat /build/port)
  ${prepare}
  ${command}
  exec 7<>/dev/tcp/127.0.0.1/$(cat /build/port)
  printf 'GET /-/recorded HTTP/1.0\\r\\n\\r\\n' >&7
  sed '1,/^\\r$/d' <&7 >"$out"
  exec 7>&-
  trap - EXIT
  # Tests may leave processes, which do not matter to the lock. This shell is not among those that are killed.
  kill -KILL -1 || :
  wait $bridge_pid || :
"""

# Text between double quotes of a shell.
in-quotes(text) =
  replace(replace(replace(replace(text, "\\", "\\\\"), "\"", "\\\""), "$", "\\$"), "`", "\\`")

# A class in double quotes, from where it comes into the program's script, where a dollar sign must stay one.
class-word(name) = in-quotes(replace(name, "$", "\\$"))

install-library(module) = """
  mkdir -p "$out/share/java"
  find "${in-quotes(module)}" -path '*/target/*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name 'original-*.jar' -exec cp {} "$out/share/java/" \\;
"""

install-program(module, name, main, bundled, java-home) = """
  jar=
  for each in "${in-quotes(module)}"/target/*.jar; do
    case $each in
      *-sources.jar | *-javadoc.jar | *-tests.jar | *-test-sources.jar | */original-*.jar) continue ;;
    esac
    if [ -z "$jar" ] || [ "$(stat -c %s "$each")" -gt "$(stat -c %s "$jar")" ]; then jar=$each; fi
  done
  if [ ! -e "$jar" ]; then
    echo "error: the build made no jar in ${in-quotes(module)}/target" >&2
    exit 1
  fi
  mkdir -p "$out/share/java" "$out/bin"
  cp "$jar" "$out/share/java/${name}.jar"
  libraries=
  if [ -d /build/libraries ] && [ -n "$(ls -A /build/libraries)" ]; then
    mkdir -p "$out/share/java/${name}.lib"
    cp /build/libraries/* "$out/share/java/${name}.lib/"
    libraries=":$out/share/java/${name}.lib/*"
  fi
  main="${class-word(main)}"
  named=
  if [ -z "$main" ]; then
    mkdir /build/manifest
    jar_path=$(realpath "$jar")
    (cd /build/manifest && "$JAVA_HOME/bin/jar" xf "$jar_path" META-INF/MANIFEST.MF)
    main=$(cat /build/manifest/META-INF/MANIFEST.MF | sed -n 's/\\r$//; s/^Main-Class: *//p' | head -n 1)
    named=$main
  fi
  if [ -z "$main" ]; then
    found=$(cd "${in-quotes(module)}/src/main/java" && grep -rlE 'public static void main *\\(' --include='*.java' . | sort)
    case $found in
      "" | *"
  "*)
        echo "error: the jar names no main class, and these have a method main: $found; set main" >&2
        exit 1
        ;;
    esac
    main=\${found#./}
    main=\${main%.java}
    main=\${main//\\//.}
  fi
  if ${if bundled then "[ -n \"$named\" ]" else "false"}; then
    printf '#!/bin/sh\\nexec %s/bin/java $JAVA_OPTS -jar %s "$@"\\n' "${java-home}" "$out/share/java/${name}.jar" >"$out/bin/${name}"
  else
    printf '#!/bin/sh\\nexec %s/bin/java $JAVA_OPTS -cp "%s" %s "$@"\\n' "${java-home}" "$out/share/java/${name}.jar$libraries" "$main" >"$out/bin/${name}"
  fi
  chmod +x "$out/bin/${name}"
"""

bridge = """
  import java.io.*;
  import java.net.*;
  import java.nio.*;
  import java.nio.channels.*;
  import java.nio.file.*;

  /** Connects a port of this machine's loopback device to a socket file. */
  class Bridge {
      public static void main(String[] args) throws Exception {
          var server = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0));
          var port = Path.of(args[1]);
          var written = Path.of(args[1] + ".new");
          Files.writeString(written, String.valueOf(server.socket().getLocalPort()));
          Files.move(written, port);
          var target = UnixDomainSocketAddress.of(args[0]);
          while (true) {
              var client = server.accept();
              var inner = SocketChannel.open(StandardProtocolFamily.UNIX);
              inner.connect(target);
              new Thread(() -> copy(client, inner)).start();
              new Thread(() -> copy(inner, client)).start();
          }
      }

      static void copy(SocketChannel from, SocketChannel to) {
          var buffer = ByteBuffer.allocate(1 << 16);
          try {
              while (from.read(buffer) >= 0) {
                  buffer.flip();
                  while (buffer.hasRemaining()) to.write(buffer);
                  buffer.clear();
              }
              to.shutdownOutput();
          } catch (IOException error) {
              try {
                  from.close();
                  to.close();
              } catch (IOException ignored) {
              }
          }
      }
  }
"""
