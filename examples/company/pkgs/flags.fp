# What every component is compiled with.
flags = ["-O2"]
