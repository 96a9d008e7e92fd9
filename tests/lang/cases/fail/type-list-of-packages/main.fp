debian = import("fpack/debian").trixie
tools(list: [package]) = list
result = tools([debian.dash, "g++"])
