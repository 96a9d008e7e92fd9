debian = import("fpack/debian").trixie
image = container { packages = [debian.postgresql-17, debian.dash], ports = [5432] }
result = {
  image
  changed = image.with { tag = "mine" }.tag
  named = container { packages = [debian."g++"] }.name
  of-package = container-for(debian.dash).tag
}
