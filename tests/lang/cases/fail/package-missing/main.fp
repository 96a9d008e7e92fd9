debian = import("fpack/debian").trixie
result = container { packages = [debian.postgres] }.image
