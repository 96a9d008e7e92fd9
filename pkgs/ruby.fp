# Ruby 3.3 with gem and bundler: docker.io's ruby:3.3-slim, not as root.
#
#   fpack pack ruby
#   podman load -i ruby.tar
#   podman run -it -v .:/app:ro -w /app localhost/ruby:3.3 ruby app.rb
#
# There is no compiler: `gem install` can install gems without extensions, and those with compiled ones.

debian = import("fpack/debian").trixie

gems = "/usr/local/bundle"

image = container {
  name = "ruby"
  tag = "3.3"

  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [debian.ruby, debian."ruby3.3", debian."libruby3.3", debian.ruby-rubygems,
    debian.ca-certificates, debian.tzdata, debian.ncurses-base, debian.libc-bin, debian.dash, debian.coreutils]
  rules = {
    coreutils = { keep = ["/usr/bin/env"] } # for `#!/usr/bin/env ruby`
    libc-bin = { keep = ["/usr/lib/locale/C.utf8"] }
    ca-certificates = { keep = ["/usr/share/ca-certificates"] }
    tzdata = { keep = ["/usr/share/zoneinfo"] }
    ncurses-base = { keep = ["/usr/share/terminfo", "/etc/terminfo"] }
  }

  command = ["irb"]
  init = if command == ["irb"] then false else null # another program may need one
  user = "nonroot"
  users = { nonroot = { uid = 65532, gid = 65532, home = "/home/nonroot" } }
  workdir = "/home/nonroot"

  env = {
    PATH = "${gems}/bin:/usr/local/bin:/usr/bin:/bin"
    LANG = "C.UTF-8"
    GEM_HOME = gems
    BUNDLE_APP_CONFIG = gems
  }

  links = { "/usr/local/bin/bundle" = "/usr/bin/bundle3.3", "/usr/local/bin/bundler" = "/usr/bin/bundle3.3" }
  directories = {
    ${gems} = { mode = "1777" }
    "/home/nonroot" = { user = "nonroot" }
  }
}
