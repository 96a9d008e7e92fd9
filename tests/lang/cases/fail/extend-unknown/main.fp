set = { gcc = "13" }
result = set.extend((old, new) => { app = new.gc }).app
