"""The exact manifest of an image: every file of it, what each came from, and how all of it was made."""
