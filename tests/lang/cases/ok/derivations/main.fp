source = fetch { url = "https://example.org/a-1.tar.gz?x=1#y", sha256 = "AA11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11" }
script = text("run.sh", "#!/bin/sh\nexec ${source}\n", executable = true)
mine = derivation { kind = "thing", name = "mine", tool = script, deep = { list = [source, 1, true, null] }, where = ./main.fp }
result = {
  name = source.name
  kind = script.kind
  shown = mine
  equal = mine == derivation { kind = "thing", name = "mine", tool = script, deep = { list = [source, 1, true, null] }, where = ./main.fp }
  path = starts-with("${mine}/bin/x", "/fpack/store/")
  found = length(mentions(["${mine} and ${script}", { a = [source] }]))
  needs = length(inputs(mine))
  programs = [is-executable(script), is-executable(source), is-executable(./main.fp)]
}
