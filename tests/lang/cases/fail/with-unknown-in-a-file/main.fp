libs = { ...import("./libs.fp") }
result = libs.with { sl = "3" }.curl
