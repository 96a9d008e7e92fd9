editor = "editor"
shell = "shell of ${editor}"
assert editor != "", "an editor"
