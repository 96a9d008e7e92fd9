result = names({ b = error("never"), a = 1, "c d" = 2 })
