debian = import("fpack/debian").trixie
result = [has({ a = null }, "a"), has({}, "a"), has(debian, "dash"), has(debian, "nothing")]
