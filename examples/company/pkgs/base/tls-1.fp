# The version before, from the same definition: for what cannot move yet. A patch of `tls` reaches it too.
tls-1({ tls }) = tls.with { version = "1.1.1" }
