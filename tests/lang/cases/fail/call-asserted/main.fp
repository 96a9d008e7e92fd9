# A failed `assert` is told before what is given to the function, and ends what calls itself.
chain({ n, rest }) = assert n > 0, "the chain ends here" in derivation { kind = "text", name = "n", rest }
link(n) = chain { n, rest = link(n - 1) }
result = link(3)
