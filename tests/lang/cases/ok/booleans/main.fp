result = [true && false, true || error("not needed"), false && error("not needed"), !true, !(1 > 2) && true, 1 < 2 && 2 < 3]
