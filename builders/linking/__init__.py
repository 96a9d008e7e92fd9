"""Decide which packages a linked root has: by the libraries, interpreters and modules that its files load."""
