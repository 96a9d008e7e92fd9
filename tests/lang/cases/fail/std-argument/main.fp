strings = import("fpack/strings")
result = strings.pad-left(7, 3)
