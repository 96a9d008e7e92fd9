chicken({ egg }) = egg + 1
