pick(found: string | path | null, wanted: list = []) = [found, ...wnated]
result = pick("a", wanted = ["b"])
