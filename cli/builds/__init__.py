"""Parts of verbs that build: explaining builds, and comparing repeated ones."""
