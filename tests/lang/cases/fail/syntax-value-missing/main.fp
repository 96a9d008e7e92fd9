result =
