link(libs: [string]) = libs
result = link(["z", "m", 5])
