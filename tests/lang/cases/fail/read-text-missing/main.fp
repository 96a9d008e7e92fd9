result = read-text(./nothing.txt)
