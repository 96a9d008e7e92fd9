result = package-set(./pkgs).chicken
