versions = [{ v = "1" }, { v = null }]
result = sort(versions, x => x.v)
