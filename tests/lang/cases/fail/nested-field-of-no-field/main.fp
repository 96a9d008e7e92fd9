set = { packer = { version = "1" }, name = "packer ${packer.version}" }
result = set.extend { packr.version = "3" }.name
