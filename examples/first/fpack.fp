# A first image: a program of this directory, Python from Debian, and nothing else.

debian = import("fpack/debian").trixie

port = 8000

image = container {
  name = "first"
  tag = "1"
  packages = [debian.python3]
  files = { "/srv/app.py" = ./app.py }
  entrypoint = ["/usr/bin/python3", "/srv/app.py"]
  env = { PORT = "${port}", PYTHONUNBUFFERED = "1" }
  ports = [port]
  user = "www-data"
  workdir = "/srv"
}
