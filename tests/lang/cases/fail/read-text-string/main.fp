result = read-text("./main.fp")
