result = [(1 + 2) * 3, ((4)), ("a"), (x => x)(5), -(3), !(true && false)]
