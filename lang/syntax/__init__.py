"""Read source texts: the lexer, the parser and the syntax tree."""
