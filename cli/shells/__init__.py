"""Developer shells: what is entered, how it is found again without evaluation, and how it is run."""
