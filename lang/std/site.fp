# Images that serve a folder of static files with nginx: site = import("fpack/site").site.

# content: the package or path whose files are served. single-page: paths without a file are the start page's, as
# applications in a browser with routes want it; otherwise they are the site's 404.html. port: where nginx listens.
# config: more lines for the server's block. All else is as in `container`.
site({
  content,
  single-page: bool = false,
  port: int = 8080,
  config: string = "",
  packages: list = [],
  rules: record = {},
  files: record = {},
  links: record = {},
  directories: record = {},
  ...rest
}) =
  let
    # Static files do not run: what built them, such as Node, is no part of the image.
    served = if type(content) == "record" && has(content, "debian-runtime") then { ...content, debian-runtime = [] }
      else content
    release = if type(content) == "record" then content.release or null else null
    debian = import("fpack/debian-package").of-release(
      if release == null then import("fpack/container").stable else release,
      import("fpack/debian-package").own-arch,
    )
  in container {
    closure = "linked"
    data-packages = false
    command = ["nginx", "-g", "daemon off;"]
    user = "nginx"
    users = { nginx = { uid = 101, gid = 101 } }
    ports = [port]
    stop-signal = "SIGQUIT"
    ...rest
    packages = [...optional(type(content) == "record", served), debian.nginx, debian.nginx-common, ...packages]
    rules = { nginx-common = { keep = ["/etc/nginx/mime.types"] }, ...rules }
    files = {
      "/etc/nginx/nginx.conf" = text("nginx.conf", configuration("${content}", single-page, port, config))
      ...files
    }
    links = {
      "/var/log/nginx/access.log" = "/dev/stdout"
      "/var/log/nginx/error.log" = "/dev/stderr"
      ...links
    }
    directories = { "/var/lib/nginx" = { mode = "1777" }, "/tmp" = { mode = "1777" }, ...directories }
  }

configuration(root, single-page, port, config) = """
  worker_processes auto;
  error_log /dev/stderr notice;
  # Everything that nginx writes lies in /tmp, so that it runs with a read-only root too.
  pid /tmp/nginx.pid;

  events {
      worker_connections 1024;
  }

  http {
      include /etc/nginx/mime.types;
      default_type application/octet-stream;

      client_body_temp_path /tmp/client_temp;
      proxy_temp_path /tmp/proxy_temp;
      fastcgi_temp_path /tmp/fastcgi_temp;
      uwsgi_temp_path /tmp/uwsgi_temp;
      scgi_temp_path /tmp/scgi_temp;

      access_log /dev/stdout;
      sendfile on;
      gzip on;
      gzip_types text/css application/javascript application/json image/svg+xml;
      # The files of a store have no date, so that only their size and name tell versions apart.
      etag off;
      if_modified_since off;
      add_header Cache-Control no-cache;
      absolute_redirect off;

      server {
          listen ${port};
          server_name _;
          root ${root};
          index index.html index.htm;
          ${if single-page then "" else "error_page 404 /404.html;"}
          location / {
              try_files $uri $uri/ ${if single-page then "/index.html" else "$uri.html =404"};
          }
          ${config}
      }
  }
"""
