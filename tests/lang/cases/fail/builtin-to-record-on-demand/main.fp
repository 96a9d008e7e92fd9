result = to-record([import("fpack/debian").trixie])
