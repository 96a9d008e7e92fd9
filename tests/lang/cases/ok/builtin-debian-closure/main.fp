result = [[p.name, p.depends] for p in debian-closure("trixie", ["postgresql-17"])]
