result = if false then 1 elif true then 2 else 3
