"""OCI images as data: tar streams, codecs, plans of layers, configurations, manifests, and writers of archives."""
