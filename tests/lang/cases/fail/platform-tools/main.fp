debian = import("fpack/debian").trixie
result = (package { name = "app", tools = [debian.for("arm64").dash], install = "true" }).out
