size = area / height
area = size * height
height = 2
result = size
