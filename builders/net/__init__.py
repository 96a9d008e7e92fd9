"""Download files: connections, proxies, mirrors, digests, and the servers that a derivation may name."""
