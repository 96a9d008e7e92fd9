# An application.
app({ tls, colour }) = [tls, colour]
