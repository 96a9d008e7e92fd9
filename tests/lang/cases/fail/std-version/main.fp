versions = import("fpack/versions")
result = versions.satisfies("1.2.3", "latest")
