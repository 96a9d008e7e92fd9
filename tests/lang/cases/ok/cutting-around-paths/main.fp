# A path in the store may be taken out whole, not cut.
a = text("a", "x")
s = "${a}/bin:${a}/sbin"
result = [length(split(s, ":")), split(s, ":") == ["${a}/bin", "${a}/sbin"], replace(s, "${a}", "/usr"), match(s, "(.*):.*") == ["${a}/bin"]]
