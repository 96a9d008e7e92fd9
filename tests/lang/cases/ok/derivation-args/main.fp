drv = derivation { kind = "thing", name = "d", args = { name = "image", kind = "x" } }
result = drv
