result = import("fpack/debian").trixie.for("arm46").dash
