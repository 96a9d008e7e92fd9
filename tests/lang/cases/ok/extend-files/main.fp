set = import("./set.fp")
result = set.extend((old, new) => { version = "2" }).url
