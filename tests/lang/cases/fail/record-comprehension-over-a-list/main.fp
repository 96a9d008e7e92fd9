result = { ${k} = v for k, v in ["a"] }
