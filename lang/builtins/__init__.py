"""The builtins, one module for each subject; `table` lists them, with the arguments that each evaluates."""
