result = [trim(" \t\n a b \n"), trim("")]
