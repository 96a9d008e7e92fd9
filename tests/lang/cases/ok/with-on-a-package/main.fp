dash = import("fpack/debian").trixie.dash
result = [dash.with { version = "9" }.version, dash.with(old => { version = old.version + "+local" }).version]
