file = ./main.fp
result = ends-with(file, ".fp")
