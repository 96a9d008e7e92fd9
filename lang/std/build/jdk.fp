# Versions of Java: the release that has one, and sources that are of an older one than it compiles.

# Releases before trixie, by the version of Java that they have. Gradle runs on few versions of Java each.
releases = { "11" = "bullseye", "17" = "bookworm" }

# The arguments of a package with the release that has a version of Java, unless they name another.
with-release(given, jdk) =
  if has(releases, "${jdk}") then { release = get(releases, "${jdk}"), ...given } else given

# Programs that a derivation needs that resolves what a build needs. Java has sockets of files since version 16.
bridging(jdk) = if jdk < 16 then ["socat"] else []

# In poms, the levels of sources and classes that are below `level` become that. They stand in elements of these names,
# or in properties that such an element names. Maven's compiler plugin reads levels as numbers: it knows that 1.7 and 1.8
# have no modules, but not that of 8. The option --release has no form with 1.
raised(level) = if level == null then "" else """
  find . -name pom.xml >/build/poms
  # The elements and properties with some levels, as a regular expression.
  levels() {
    properties=$(tr '\\n' '\\0' </build/poms | xargs -0 sed -nE \\
      "s@.*<($1)>[[:space:]]*[$]\\{([A-Za-z0-9._-]+)\\}.*@\\2@p" | sort -u | sed 's/[.]/[.]/g')
    printf '%s|' "$1" "maven[.]compiler[.]($1)" $properties
  }
  releases=$(levels 'release|testRelease')
  others=$(levels 'source|target|testSource|testTarget')
  while read -r pom; do
    sed -E "s@<(\${releases%|})>[[:space:]]*(1[.])?[1-7][[:space:]]*</@<\\1>${level}</@g
      s@<(\${others%|})>[[:space:]]*(1[.])?[1-7][[:space:]]*</@<\\1>${if level == 8 then "\\3" else ""}${level}</@g" "$pom" >/build/pom
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
