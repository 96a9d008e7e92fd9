result = split(trim(read-text(./note.txt)), "\n")
