# Versions of Java: the release that has one, and sources that are of an older one than it compiles.

# Releases before trixie, by the version of Java that they have. Gradle runs on few versions of Java each.
releases = { "11" = "bullseye", "17" = "bookworm" }

# The arguments of a package with the release that has a version of Java, unless they name another.
with-release(given, jdk) =
  if has(releases, "${jdk}") then { release = get(releases, "${jdk}"), ...given } else given

# Programs that a derivation needs that resolves what a build needs. Java has sockets of files since version 16.
bridging(jdk) = if jdk < 16 then ["socat"] else []

# In poms, the levels of sources and classes that are below `level` become that. They stand in elements of these names,
# or in properties that such an element names.
raised(level) = if level == null then "" else """
  find . -name pom.xml >/build/poms
  names=$(tr '\\n' '\\0' </build/poms | xargs -0 sed -nE \\
    's@.*<(source|target|release|testSource|testTarget|testRelease)>[[:space:]]*[$]\\{([A-Za-z0-9._-]+)\\}.*@\\2@p' | sort -u | sed 's/[.]/[.]/g')
  names=$(printf '%s|' source target release testSource testTarget testRelease \\
    'maven[.]compiler[.](source|target|release|testSource|testTarget|testRelease)' $names)
  while read -r pom; do
    sed -E "s@<(\${names%|})>[[:space:]]*(1[.])?[1-7][[:space:]]*</@<\\1>${level}</@g" "$pom" >/build/pom
    if ! cmp -s /build/pom "$pom"; then
      echo "$pom: levels of Java below ${level} are raised to ${level}"
      cat /build/pom >"$pom"
    fi
  done </build/poms
"""

# The same for the tasks of Gradle, as lines of a script for all projects.
raised-tasks(level) = if level == null then "" else """
  gradle.taskGraph.whenReady { graph ->
    def level = JavaVersion.toVersion('${level}')
    graph.allTasks.each { task ->
      if (task instanceof org.gradle.api.tasks.compile.AbstractCompile) {
        ['sourceCompatibility', 'targetCompatibility'].each { name ->
          if (task.hasProperty(name) && task[name] && JavaVersion.toVersion(task[name]) < level) {
            println "\${task.path}: \${name} \${task[name]} is raised to ${level}"
            task[name] = '${level}'
          }
        }
      }
      if (task instanceof JavaCompile) {
        def words = task.options.compilerArgs.collect { it.toString() }
        def at = words.indexOf('--release')
        if (at >= 0 && at + 1 < words.size() && JavaVersion.toVersion(words[at + 1]) < level) {
          words[at + 1] = '${level}'
          task.options.compilerArgs = words
        }
        if (task.options.hasProperty('release') && task.options.release.isPresent() && task.options.release.get() < ${level}) {
          task.options.release.set(${level})
        }
      }
    }
  }
"""
