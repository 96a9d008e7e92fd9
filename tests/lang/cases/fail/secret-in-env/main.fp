debian = import("fpack/debian").trixie
result = container { packages = [debian.dash], env = { TOKEN = secret("TOKEN") } }.image
