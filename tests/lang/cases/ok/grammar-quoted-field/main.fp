result = { "a b" = 1, "/etc/x" = 2, "" = 3, "${"x"}y" = 4 }
