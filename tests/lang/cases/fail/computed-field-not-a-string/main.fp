result = { ${5} = 1 }
