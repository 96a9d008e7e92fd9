result = if true then 1
