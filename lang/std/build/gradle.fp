# Java programs that Gradle builds, with the files of repositories that their lock names.

java = import("./java.fp")

# The lock is the file gradle.lock of the source, which `fpack lock` writes: each plugin and library with its SHA-256.
# distribution: the archive of Gradle, a `fetch`; null: Debian's, which is of version 4. module: the project that has the
# program, by its directory. tasks: what Gradle runs; "installDist" is of its plugin `application`. jdk: the version of
# Java. repositories: URLs of repositories besides Maven's central one and Gradle's. flags: words for `gradle`.
# All else is as in `package`.
# $out/bin has the programs, and $out/lib or $out/share/java the jars.
gradle({
  lock: path | null = null,
  distribution: record | null = null,
  module: string = ".",
  tasks: list = ["installDist"],
  library: bool = false,
  jdk: int = 21,
  repositories: list = [],
  flags: list = [],
  ...given
}) =
  let
    common = import("./common.fp")
    source = given.source or null
    in-source = type(source) == "path"
    file =
      if lock != null then lock
      else if in-source && has(read-dir(source), "gradle.lock") then source + "/gradle.lock"
      else null
    data = if file == null then error("There is no gradle.lock yet: run fpack lock", "lock") else read-json(file)
    of = if in-source then hash(join(scripts(source), "\n"), "sha256") else ""
    java-home = "/usr/lib/jvm/java-${jdk}-openjdk-${common.arch-of(given)}"
    words = common.words
    program = if distribution == null then "gradle" else "/build/gradle/*/bin/gradle"
    path = if module == "." then "" else ":${replace-all(module, "/", ":")}:"
    command = "${program} --no-daemon --console=plain -g /build/gradle-home -I /build/init.gradle${words(flags)}"
    run = names => "${command} ${join(["${path}${n}" for n in names], " ")}"
    tools = [
      "openjdk-${jdk}-jdk-headless",
      ...if distribution == null then ["gradle"] else ["unzip"],
    ]
    variables = {
      JAVA_HOME = java-home
      GRADLE_OPTS = "-Duser.home=/build/home -Djava.io.tmpdir=/tmp"
      ...if distribution == null then {} else { distribution = "${outer.distribution}" }
    }
    asked = common.with-defaults(given, tools, { env = variables })
    resolved = java.resolve-with {
      name = "gradle.lock"
      root = asked.root
      unpack = asked.unpack
      script = java.resolving(unpacked + only-repository, run([...tasks, "test"]) + " --continue")
      repositories = [java.central, "https://plugins.gradle.org/m2", ...outer.repositories]
      variables, source
    }
  in common.with-defaults({
    ...given
    extra = { ...given.extra or {}, locker = { name = "gradle.lock", out = resolved.out, of, directory = source } }
  }, tools, {
    configure = java.laid-out + unpacked + only-repository
    build = run(tasks)
    check = run(["test"])
    install = if library then install-library(module) else install-program(module, given.name, java-home)
    env = { ...variables, artifacts = "${java.repository(data, of, "build.gradle")}" }
    runtime = if library then [] else common.debian-tools(given, ["openjdk-${jdk}-jre-headless", "dash"])
  })

# The texts of the files that name plugins and libraries, of the project and of those below it.
scripts(directory) =
  let
    own = ["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts", "gradle.properties"]
    entries = read-dir(directory)
    below = [n for n in names(entries) if get(entries, n) == "directory" && !starts-with(n, ".") && n != "src"]
    catalogue = if has(entries, "gradle") && has(read-dir(directory + "/gradle"), "libs.versions.toml") then
        [read-text(directory + "/gradle/libs.versions.toml")]
      else []
  in [
    ...[read-text(directory + "/${n}") for n in own if has(entries, n)],
    ...catalogue,
    ...[
      read-text(directory + "/${n}/${f}")
      for n in below
      for f in ["build.gradle", "build.gradle.kts"]
      if has(read-dir(directory + "/${n}"), f)
    ],
  ]

unpacked = """
  if [ -n "\${distribution:-}" ]; then unzip -q "$distribution" -d /build/gradle; fi
"""

# Each repository of the project is replaced by the only one. Archives have no times and a fixed order.
only-repository = """
  cat >/build/init.gradle <<END
  def only = { repositories ->
    repositories.all { each ->
      if (each instanceof org.gradle.api.artifacts.repositories.MavenArtifactRepository) {
        each.url = new URI('$repository')
        if (each.hasProperty('allowInsecureProtocol')) each.allowInsecureProtocol = true
      }
    }
  }
  settingsEvaluated { settings ->
    settings.pluginManagement.repositories.with { if (it.empty) it.maven { url '$repository' } }
    only(settings.pluginManagement.repositories)
    if (settings.hasProperty('dependencyResolutionManagement')) only(settings.dependencyResolutionManagement.repositories)
  }
  allprojects { project ->
    only(project.buildscript.repositories)
    only(project.repositories)
    project.tasks.withType(AbstractArchiveTask) { preserveFileTimestamps = false; reproducibleFileOrder = true }
  }
  END
"""

install-library(module) = """
  mkdir -p "$out/share/java"
  find "${module}" -path '*/build/libs/*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar' -exec cp {} "$out/share/java/" \\;
"""

install-program(module, name, java-home) = """
  mkdir -p "$out/bin"
  if [ -d "${module}/build/install" ]; then
    cp -r "${module}"/build/install/*/. "$out/"
    rm -f "$out"/bin/*.bat
    for each in "$out"/bin/*; do sed -i '2i JAVA_HOME=${java-home}' "$each"; done
  else
    mkdir -p "$out/share/java"
    jar=$(find "${module}/build/libs" -name '*.jar' ! -name '*-plain.jar' ! -name '*-sources.jar' -size +0 | sort | head -n 1)
    cp "$jar" "$out/share/java/${name}.jar"
    printf '#!/bin/sh\\nexec %s/bin/java $JAVA_OPTS -jar %s "$@"\\n' "${java-home}" "$out/share/java/${name}.jar" >"$out/bin/${name}"
    chmod +x "$out/bin/${name}"
  fi
"""
