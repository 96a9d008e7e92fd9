result = [reverse([1, 2, 3]), reverse([])]
