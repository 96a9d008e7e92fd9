f(x: record) = names(x)
# The fields are not evaluated.
result = [f({ a = error("never") }), f(import("fpack/debian").trixie.dash.with { }) |> contains("name")]
