app({ libs }) = { libs = [libs, "z"] }
result = app { libs = ["m"] }
