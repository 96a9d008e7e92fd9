result = [is-executable(text("a", "#!/bin/sh", executable = true)), is-executable(text("a", "")), is-executable(./main.fp), is-executable(./run.sh)]
