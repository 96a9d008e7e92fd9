# The release that everything is built with. A layer with another `debian` moves the whole set.
debian = import("fpack/debian").trixie
