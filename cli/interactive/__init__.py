"""Answer an editor or a person step by step: the language server and the interactive session."""
