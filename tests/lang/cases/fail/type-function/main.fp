f(each: function) = each
result = f(5)
