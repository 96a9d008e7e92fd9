app = python {
  name = "greeter"
  version = "1.0"
  source = ./src
  requirements = ./requirements.txt
  meta = { licence = "Apache-2.0" }
}

image = container {
  packages = [app]
  closure = "linked"
  entrypoint = ["${app}/bin/gunicorn", "--chdir", "${app}/app", "--bind", "0.0.0.0:8000", "app:app"]
  ports = [8000]
  user = "www-data"
}
