result = inputs("/usr/bin/env")
