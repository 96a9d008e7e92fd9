"""Remember from one evaluation to the next what the files of package sets define."""
