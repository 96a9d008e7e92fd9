result = {
  all      = read-dir(./tree)
  sub      = names(read-dir(./tree + "/sub"))
  services = { ${name} = read-text(./tree + "/${name}/port") |> trim for name, kind in read-dir(./tree) if kind == "directory" }
}
