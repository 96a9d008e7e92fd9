set = { gcc = "13", app = "app with ${gcc}", lib = "lib" }
result = set.extend { gcc = "14", more = 1 }
