set = { packer = { version = "1" }, name = "packer ${packer.version}" }
change = { packr.version = "3" }
result = set.extend(change).name
