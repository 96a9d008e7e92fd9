# HAProxy 3.0: a drop-in for docker.io's haproxy image.
#
#   fpack pack haproxy
#   podman load -i haproxy.tar
#   podman run -v ./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro -p 8080:8080 localhost/haproxy:3.0

debian = import("fpack/debian").trixie

config = "/usr/local/etc/haproxy/haproxy.cfg"

image = container {
  name = "haproxy"
  tag = "3.0"

  # Certificates are for servers behind it that are reached by TLS: `ca-file @system-ca`.
  closure = "linked"
  data-packages = false
  interpreted = false
  packages = [debian.haproxy.slice { keep = ["/usr/sbin", "/etc/haproxy/errors"] }, debian.ca-certificates]
  rules = { ca-certificates = { keep = ["/usr/share/ca-certificates"] } }

  # A master process with workers, in the foreground. With USR1 they end when their last connection does.
  command = ["haproxy", "-W", "-db", "-f", config]
  init = false
  user = "haproxy"
  workdir = "/var/lib/haproxy"
  stop-signal = "SIGUSR1"
  run-options = ["-v ./haproxy.cfg:${config}:ro"]

  directories = { "/var/lib/haproxy" = { user = "haproxy" } }
}
