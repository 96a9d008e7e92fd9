"""The functions and values of generated code while it runs: operators, records, derivations, limits."""
