result = { nobody = nobody { packages = [] } }
