# What every file has in scope besides the builtins. Each name is read when it is first used.

fetch = import("fpack/fetch").fetch
text = import("fpack/text").text
container = import("fpack/container").container
container-for = import("fpack/container").container-for
files = import("fpack/files").files
