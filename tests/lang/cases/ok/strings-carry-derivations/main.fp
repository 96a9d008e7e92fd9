tool = text("tool", "#!/bin/sh", executable = true)
script = text("run", "exec ${tool} --help")
result = [inputs(script) == ["${tool}"], mentions("PATH=${tool}/bin:${script}") |> length]
