result = package-set(./pkgs).app
