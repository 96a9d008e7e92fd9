result = hash("run ${text("a", "b")}")
