# The assertions of a layer over a release are checked with the first field that is selected.
debian = import("fpack/debian").trixie
set = debian.extend { version = 1, assert version > 0, "a version is positive" }
result = set.extend { version = 0 }.dash.name
