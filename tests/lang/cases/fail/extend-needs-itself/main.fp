set = { gcc = "13" }
result = set.extend((old, new) => { gcc = "${new.gcc}.1" }).gcc
