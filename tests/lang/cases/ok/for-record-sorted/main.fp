env = { B = 1, A = 2, C = 3 }
result = [["${name}=${value}" for name, value in env], [name for name, _ in { ...env, AA = 1 }]]
