r = on-demand("the squares", name => to-int(name) * to-int(name))
result = [r."4", r."5", r]
