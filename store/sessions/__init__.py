"""One process's use of a store, and what the next process does after one was killed."""
