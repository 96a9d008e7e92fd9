debian = import("fpack/debian").trixie
result = container {
  packages = [debian.dash]
  files = {
    "/srv/main.fp" = ./main.fp
    "/srv/app.py" = { source = ./src/../app.py, mode = "0755" }
  }
}.image
