result = import("fpack/debian").trixi.dash
