half(n) = assert n - n / 2 * 2 == 0, "${n} is even" in n / 2
result = [half(4), 1 + (assert true, "fine" in 2)]
