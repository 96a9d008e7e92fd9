# nginx 1.26: docker.io's nginx image, but not as root. So it listens on port 8080, like nginxinc/nginx-unprivileged.
#
#   fpack pack nginx
#   podman load -i nginx.tar
#   podman run -v ./site:/usr/share/nginx/html:ro -p 8080:8080 localhost/nginx:1.26
#
# Mount files over /etc/nginx/conf.d/*.conf or /etc/nginx/nginx.conf, as usual.

debian = import("fpack/debian").trixie

image = container {
  name = "nginx"
  tag = "1.26"

  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [debian.nginx, debian.nginx-common]

  # From Debian's configuration, only the files that every server includes: its nginx.conf is for a machine with many
  # sites.
  rules = {
    nginx-common = {
      keep = ["/etc/nginx/mime.types", "/etc/nginx/*_params", "/etc/nginx/fastcgi.conf", "/usr/share/nginx/html"]
    }
  }

  command = ["nginx", "-g", "daemon off;"]
  init = false # the server handles signals as the first process
  user = "nginx"
  ports = [8080]
  stop-signal = "SIGQUIT" # finish the requests that have begun

  files = {
    "/etc/nginx/nginx.conf" = ./nginx/nginx.conf
    "/etc/nginx/conf.d/default.conf" = ./nginx/default.conf
  }

  # Logs go to the container's output, also where a configuration does not mention them.
  links = {
    "/var/log/nginx/access.log" = "/dev/stdout"
    "/var/log/nginx/error.log" = "/dev/stderr"
  }

  # Directories that nginx and usual configurations write to. Any --user can.
  directories = {
    "/run" = { mode = "1777" }
    "/var/cache/nginx" = { mode = "1777" }
    "/var/lib/nginx" = { mode = "1777" }
  }
}
