result = package-set(./pkgs).curl
