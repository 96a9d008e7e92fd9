"""OCI images as data: plans and contents of layers, configurations, manifests, and records of built images."""
