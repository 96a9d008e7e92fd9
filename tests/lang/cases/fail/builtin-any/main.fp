result = any([1], x => "yes")
