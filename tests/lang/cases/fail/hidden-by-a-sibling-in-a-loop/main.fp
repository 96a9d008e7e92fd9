result = [{ name = "app", tag = "${version}-${name}" } for name, version in { slim = "1", full = "2" }]
