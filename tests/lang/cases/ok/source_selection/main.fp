# `source = source(...)` calls the function in a record, as it does in a file.
package = { source = source(./tree, { keep = ["*.c", "Makefile"], drop = ["test/"] }), again = source }

result = {
  same    = package.source == package.again
  differs = ["${./tree}" == "${package.source}", "${source(./tree, { drop = [./tree/README] })}" == "${./tree}"]
  plain   = "${source(./tree)}" == "${./tree}"
  changed = "${(package.with { source = ./tree }).again}" == "${./tree}"
  named   = match("${source(./tree, { name = "code" })}", ".*/[a-z0-9]+-code") != null
  kind    = type(package.source)
  below   = read-text(package.source + "/../tree/README")
}
