debian = { zlib1g-dev = 1 }

libs = [libffi-dev]
