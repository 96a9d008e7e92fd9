shape = cmake {
  name = "shape"
  version = "1.2"
  source = ./shape
  outputs = ["out", "dev"]
}

wave = meson {
  name = "wave"
  version = "0.3"
  source = ./wave
  libs = [shape] # programs that link with wave are linked with shape, too
}

show = make {
  name = "show"
  version = "1.0"
  source = ./show
  tools = [import("fpack/debian").trixie.pkgconf]
  libs = [wave]
}

image = container {
  packages = [show]
  closure = "linked"
}
