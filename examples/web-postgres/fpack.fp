debian = import("fpack/debian").trixie
postgres = import("fpack/postgres")

# The developer shell: Python with the database's driver, psql, and a database for this project.
shell = shell {
  name = "guestbook"
  packages = [debian.python3, debian.python3-psycopg2, debian.postgresql-client-17, debian.curl, debian.make]
  env = { PORT = "8000" }
  services = {
    db = postgres.service {
      database = "guestbook"
      init = "CREATE TABLE entries (id serial PRIMARY KEY, words text NOT NULL);"
    }
  }
}

# The image that is shipped.
image = container {
  name = "guestbook"
  packages = [debian.python3, debian.python3-psycopg2]
  files = { "/srv/app.py" = ./app.py }
  entrypoint = ["/usr/bin/python3", "/srv/app.py"]
  ports = [8000]
  user = "www-data"
}
