web({ tls, http }) = import("../../package.fp").package { name = "web", version = "1", libs = [http, tls] }
