debian = import("fpack/debian").trixie
result = container { packages = [debian.dash], env = ["PORT=8000"] }.image
