# Java programs that Gradle builds, with the files of repositories that their lock names.

java = import("./java.fp")

# The lock is the file gradle.lock of the source, which `fpack lock` writes: each plugin and library with its SHA-256.
# distribution: the archive of Gradle, a `fetch`, or its URL, whose SHA-256 is recorded in fpack.lock; null: Debian's, which
# is of version 4. module: the project that has the program, by its directory. tasks: what Gradle runs; "installDist" is of
# its plugin `application`. main: the main class of a jar that names none. jdk: the version of Java, 21 or 25, or 17 or 11 of
# an older release. level: what sources for older versions of Java are compiled as. repositories: URLs of repositories
# besides Maven's central one and Gradle's. flags: words for `gradle`.
# All else is as in `package`.
# $out/bin has the programs, and $out/lib or $out/share/java the jars.
gradle({
  lock: path | null = null,
  distribution: record | string | null = null,
  module: string = ".",
  tasks: list = ["installDist"],
  main: string = "",
  library: bool = false,
  jdk: int = 21,
  level: int | null = null,
  repositories: list = [],
  flags: list = [],
  ...rest
}) =
  let
    common = import("./common.fp")
    jdks = import("./jdk.fp")
    given = jdks.with-release(rest, jdk)
    source = given.source or null
    archive = if type(distribution) == "string" then recorded(distribution) else distribution
    in-source = type(source) == "path"
    file =
      if lock != null then lock
      else if in-source && has(read-dir(source), "gradle.lock") then source + "/gradle.lock"
      else null
    data = if file == null then error("There is no gradle.lock yet: run fpack lock", "lock") else read-json(file)
    of = if in-source then hash(join(scripts(source), "\n"), "sha256") else ""
    java-home = "/usr/lib/jvm/java-${jdk}-openjdk-${common.arch-of(given)}"
    words = common.words
    prepare = unpacked + only-repository + scripted(
      if library then "" else libraries,
    ) + scripted(jdks.raised-tasks(level))
    program = if archive == null then "gradle" else "/build/gradle/*/bin/gradle"
    # The path of a project need not be that of its directory.
    start = if module == "." then "" else " -p \"${java.in-quotes(module)}\""
    command =
      "${program} --no-daemon --console=plain -g /build/gradle-home -I /build/init.gradle${start}${words(flags)}"
    run = names => "${command} ${join(names, " ")}"
    tools = [
      "openjdk-${jdk}-jdk-headless",
      ...if archive == null then ["gradle"] else ["unzip"],
    ]
    variables = {
      JAVA_HOME = java-home
      GRADLE_OPTS = "-Duser.home=/build/home -Djava.io.tmpdir=/tmp"
      ...if archive == null then {} else { distribution = "${archive}" }
    }
    asked = common.with-defaults(given, [...tools, ...jdks.bridging(jdk)], { env = variables })
    resolved = java.resolve-with {
      name = "gradle.lock"
      root = asked.root
      unpack = asked.unpack
      script = java.resolving(jdk, prepare + scripted(unrun-tests), run([...tasks, "test"]) + " --continue")
      repositories = [java.central, "https://plugins.gradle.org/m2", ...outer.repositories]
      variables, source
    }
  in common.with-defaults({
    ...given
    extra = { ...given.extra or {}, locker = { name = "gradle.lock", out = resolved.out, of, directory = source } }
  }, tools, {
    configure = java.laid-out + prepare
    build = run(tasks)
    check = run(["test"])
    install = if library then install-library(module) else install-program(module, given.name, main, java-home)
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

# The archive at a URL, with the SHA-256 that is recorded in the lock when it is first downloaded.
recorded(url) =
  let
    digests = import("./digests.fp").recorded({
      weak = { ${url} = "" }
      what = "archive of Gradle"
      of = hash(url, "sha256")
      name = "gradle-distribution.lock"
    })
  in import("fpack/fetch").fetch({ url, sha256 = get(digests, url, "") })

# Each repository of the project is replaced by the only one. Archives have no times and a fixed order. The file /build/made
# lists what the tasks of each project made: the kind, the directory of the project, and the path.
only-repository = """
  cat >/build/init.gradle <<END
  def source = new File('$PWD').toPath()
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
  END
  cat >>/build/init.gradle <<'END'
  def made = { task, kind, path ->
    def directory = source.relativize(task.project.projectDir.toPath()).toString() ?: '.'
    new File('/build/made').append("$kind\\t$directory\\t$path\\n")
  }
  allprojects { project ->
    only(project.buildscript.repositories)
    only(project.repositories)
    project.tasks.withType(AbstractArchiveTask) { task ->
      task.preserveFileTimestamps = false
      task.reproducibleFileOrder = true
      task.doLast { made(task, 'archive', task.hasProperty('archiveFile') ? task.archiveFile.get().asFile : task.archivePath) }
    }
    project.tasks.withType(Sync) { task ->
      if (task.name.startsWith('install')) task.doLast { made(task, 'install', task.destinationDir) }
    }
  }
  END
"""

# The libraries that a jar needs when it runs.
libraries = """
  allprojects { project ->
    project.tasks.withType(Jar) { task ->
      task.doLast {
        def found = ['runtimeClasspath', 'runtime'].collect { project.configurations.findByName(it) }.find { it != null }
        if (found != null) found.files.findAll { it.name.endsWith('.jar') }.each { made(task, 'library', it) }
      }
    }
  }
"""

# Tests do not run, but ask for what they need.
unrun-tests = """
  gradle.taskGraph.whenReady { graph ->
    graph.allTasks.findAll { it instanceof Test }.each { task ->
      task.setActions([])
      task.doLast {
        task.classpath.files
        project.configurations.findByName('jacocoAgent')?.files
      }
    }
  }
"""

# More lines for the script of all projects.
scripted(lines) = if lines == "" then "" else "cat >>/build/init.gradle <<'END'\n${lines}\nEND\n"

# The paths of a kind that the project of the program made, or all projects.
listing = """
  touch /build/made
  made() {
    while IFS=$'\\t' read -r kind directory path; do
      if [ "$kind" = "$1" ] && { [ -z "$2" ] || [ "$directory" = "$2" ]; }; then echo "$path"; fi
    done </build/made | awk '!seen[$0]++'
  }
"""

install-library(module) = listing + """
  mkdir -p "$out/share/java"
  made archive "${if module == "." then "" else java.in-quotes(module)}" | while read -r jar; do
    case $jar in
      *-sources.jar | *-javadoc.jar) ;;
      *.jar) cp "$jar" "$out/share/java/" ;;
    esac
  done
"""

# A program is a directory that `installDist` made, or a jar, with the libraries whose classes it does not have.
install-program(module, name, main, java-home) = listing + """
  mkdir -p "$out/bin"
  installed=$(made install "${java.in-quotes(module)}" | head -n 1)
  if [ -n "$installed" ]; then
    cp -r "$installed"/. "$out/"
    rm -f "$out"/bin/*.bat
    for each in "$out"/bin/*; do sed -i '2i JAVA_HOME=${java-home}' "$each"; done
  else
    jar=
    for each in $(made archive "${java.in-quotes(module)}"); do
      case $each in
        *-plain.jar | *-sources.jar | *-javadoc.jar | *-tests.jar) continue ;;
        *.jar) if [ -z "$jar" ] || [ "$(stat -c %s "$each")" -gt "$(stat -c %s "$jar")" ]; then jar=$each; fi ;;
      esac
    done
    if [ -z "$jar" ]; then
      echo "error: the tasks made no jar in the project ${java.in-quotes(module)}" >&2
      exit 1
    fi
    mkdir -p "$out/share/java" /build/manifest
    (cd /build/manifest && "$JAVA_HOME/bin/jar" xf "$jar" META-INF/MANIFEST.MF)
    main="${java.class-word(main)}"
    named=$(sed -n 's/\\r$//; s/^Main-Class: *//p' /build/manifest/META-INF/MANIFEST.MF | head -n 1)
    if [ -z "\${main:-$named}" ]; then
      echo "error: $jar names no main class: set main" >&2
      exit 1
    fi
    cp "$jar" "$out/share/java/${name}.jar"
    "$JAVA_HOME/bin/jar" tf "$jar" | sort >/build/entries
    libraries=
    for each in $(made library "${java.in-quotes(module)}"); do
      class=$("$JAVA_HOME/bin/jar" tf "$each" | grep -m 1 '[.]class$') || continue
      if ! grep -qxF "$class" /build/entries && ! grep -q "^BOOT-INF/" /build/entries; then
        mkdir -p "$out/share/java/${name}.lib"
        cp "$each" "$out/share/java/${name}.lib/"
        libraries=":$out/share/java/${name}.lib/*"
      fi
    done
    start="-jar $out/share/java/${name}.jar"
    if [ -n "$libraries$main" ]; then start="-cp $out/share/java/${name}.jar$libraries \${main:-$named}"; fi
    printf '#!/bin/sh\\nexec %s/bin/java $JAVA_OPTS %s "$@"\\n' "${java-home}" "$start" >"$out/bin/${name}"
    chmod +x "$out/bin/${name}"
  fi
"""
