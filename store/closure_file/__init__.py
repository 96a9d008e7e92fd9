"""The file of `fpack store export`: a closure of store paths, for another store."""
