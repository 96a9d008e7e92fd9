size(width: int | null = null) = width
result = size(width = "wide")
