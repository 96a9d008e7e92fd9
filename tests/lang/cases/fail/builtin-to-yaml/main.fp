result = to-yaml({ f = x => x })
