# OpenJDK 21, to compile and run programs, not as root.
#
#   fpack pack openjdk
#   podman load -i openjdk.tar
#   podman run -v ./app.jar:/app.jar:ro localhost/openjdk:21 java -jar /app.jar

debian = import("fpack/debian").trixie

jvm = "/usr/lib/jvm/java-21-openjdk-${debian.openjdk-21-jre-headless.arch}"

# Tools of the JDK: small programs that run modules of the runtime. The rest of their package, 80 MB, is left out. It
# has the same modules again for jlink, and signatures of former releases' classes for `javac --release`.
tools = split("jar jarsigner javac javadoc javap jcmd jdeps jfr jinfo jmap jps jshell jstack jstat serialver", " ")

image = container {
  name = "openjdk"
  tag = "21"

  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [
    debian.openjdk-21-jre-headless,
    debian.openjdk-21-jdk-headless.slice { keep = ["${jvm}/bin/${tool}" for tool in tools] },
    debian.ca-certificates, debian.libc-bin, debian.dash,
  ]
  rules = {
    # Dropped are the archive of preloaded classes for heaps above 32 GB, which only speeds up their start, and a
    # library that examines dead processes.
    openjdk-21-jre-headless = {
      drop = ["${jvm}/lib/server/classes_nocoops.jsa", "${jvm}/lib/libsaproc.so", "/usr/share/gdb", "/usr/lib/debug"]
    }
    libc-bin = { keep = ["/usr/lib/locale/C.utf8"] }
    ca-certificates = { keep = ["/usr/share/ca-certificates"] }
  }

  command = ["java", "-version"]
  init = if command == ["java", "-version"] then false else null # another program may need one
  user = "nonroot"
  users = { nonroot = { uid = 65532, gid = 65532, home = "/home/nonroot" } }
  workdir = "/home/nonroot"
  env = { JAVA_HOME = jvm, PATH = "${jvm}/bin:/usr/local/bin:/usr/bin:/bin", LANG = "C.UTF-8" }

  directories = { "/home/nonroot" = { user = "nonroot" } }
}
