"""The expression language: grammar, compiler, values and errors."""
