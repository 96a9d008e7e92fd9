tls({}) = import("../package.fp").package { name = "tls", version = "1" }
