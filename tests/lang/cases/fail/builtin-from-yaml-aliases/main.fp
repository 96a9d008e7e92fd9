line(i) = "a${i}: &a${i} [${join([if i == 0 then "x" else "*a${i - 1}" for _ in range(10)], ", ")}]"
result = from-yaml(join([line(i) for i in range(10)], "\n"))
