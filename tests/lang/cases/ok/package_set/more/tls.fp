tls({ tls }) = tls.with { version = "${tls.version}-patched" }
