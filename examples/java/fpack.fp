debian = import("fpack/debian").trixie

primes = package {
  name = "primes"
  version = "1.0"
  source = ./src
  tools = [debian.default-jdk-headless]
  runtime = [debian.default-jre-headless, debian.dash]
  build = """
    javac -d /build/classes *.java
    jar --create --file primes.jar --main-class Primes --date=1980-01-02T00:00:00Z -C /build/classes .
  """
  install = """
    install -D -m 644 primes.jar "$out/share/primes.jar"
    mkdir -p "$out/bin"
    printf '#!/bin/sh\\nexec java -jar %s/share/primes.jar "$@"\\n' "$out" >"$out/bin/primes"
    chmod +x "$out/bin/primes"
  """
  meta = { licence = "Apache-2.0" }
}

image = container {
  packages = [primes]
  closure = "linked"
  entrypoint = ["${primes}/bin/primes"]
}
