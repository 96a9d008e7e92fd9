result = [find-all("a1b22c333", "[0-9]+"), find-all("k=1 l=2", "([a-z])=([0-9])"), find-all("<a><b>", "<(.)>"), find-all("x", "y")]
