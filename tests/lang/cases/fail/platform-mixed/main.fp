debian = import("fpack/debian").trixie
result = container { packages = [debian.dash, debian.for("arm64").sudo] }
