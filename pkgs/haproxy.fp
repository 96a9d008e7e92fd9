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

  # The certificates are for connections to servers by TLS, with `ca-file @system-ca` in the configuration.
  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [debian.haproxy.slice { keep = ["/usr/sbin", "/etc/haproxy/errors"] }, debian.ca-certificates]
  rules = { ca-certificates = { keep = ["/usr/share/ca-certificates"] } }

  # A master process with workers, in the foreground. After SIGUSR1, a worker ends when its last connection does.
  command = ["haproxy", "-W", "-db", "-f", config]
  init = false # the server handles signals as the first process
  user = "haproxy"
  workdir = "/var/lib/haproxy"
  stop-signal = "SIGUSR1"
  run-options = ["-v ./haproxy.cfg:${config}:ro"]

  directories = { "/var/lib/haproxy" = { user = "haproxy" } }
}
