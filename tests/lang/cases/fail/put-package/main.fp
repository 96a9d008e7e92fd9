curl = import("fpack/debian").trixie.dash
result = "${curl}/bin/dash"
