base = { flags = ["-O2"], command = "cc ${join(flags, " ")}" }
result = base.with(old => { flags = [...old.flags, "-g"] }).command
