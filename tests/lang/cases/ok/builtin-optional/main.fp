debug = true
result = ["-O2", ...optional(debug, "-g"), ...optional(!debug, error("not computed"))]
