"""Programs of the language, made by chance or evaluated."""
