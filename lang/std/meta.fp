# The facts that bills of materials show about a package or an image. No build and no image depends on them.

# homepage: a web address. description: one line. licence: an SPDX expression, such as "MIT OR Apache-2.0".
# maintainers: who supplies it, as "NAME" or "NAME <ADDRESS>". originator: who wrote it, in the same form. cpe: version 2.3.
# purl: a package URL. Fields that are not given are left out.
checked(given) =
  let
    unknown = [n for n in names(given) if !contains(known, n)]
    fields = described(given)
  in
    if unknown != [] then
      error(
        "`meta` has no field ${head(unknown)}; its fields are ${join(known, ", ")}. Other data goes into `extra`",
        "meta",
      )
    else evaluate(to-json(fields), fields)

known = ["homepage", "description", "licence", "maintainers", "originator", "cpe", "purl"]

described({
  homepage: string = "",
  description: string = "",
  licence: string = "",
  maintainers: [string] = [],
  originator: string = "",
  cpe: string = "",
  purl: string = "",
}) =
  let
    people = [named("maintainers", m) for m in maintainers]
    author = if originator == "" then "" else named("originator", originator)
  in {
    ...stated("homepage", homepage, "https?://[^\\s<>\"]+", "a web address: https://...")
    ...stated("description", description, line, "one line of text")
    ...licence-stated(licence)
    ...kept("maintainers", people, [])
    ...kept("originator", author, "")
    ...stated("cpe", cpe, "cpe:2[.]3:[aho*-](:(\\\\.|[A-Za-z0-9._*?~-])+){10}", "a CPE name of version 2.3")
    ...stated("purl", purl, "pkg:[a-z][a-z0-9.+-]*/[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+", "a package URL: pkg:TYPE/NAME")
  }

kept(field, value, none) = if value == none then {} else { ${field} = value }

line = "[^\\x00-\\x1f\\x7f-\\x9f]{1,1000}"

stated(field, value, pattern, form) =
  if value == "" then {}
  else if match(value, pattern) == null || match(value, line) == null then
    error("`${field}` of `meta` is ${form}, and not ${to-json(value)}", "meta")
  else { ${field} = value }

licence-stated(licence) =
  if licence == "" then {}
  else if match(licence, line) == null || !get(settings, "is-licence", x => true)(licence) then
    error("`licence` of `meta` is an SPDX expression such as MIT OR Apache-2.0, and not ${to-json(licence)}", "meta")
  else { licence }

named(field, text) =
  if match(text, "[^<>\\x00-\\x1f\\x7f-\\x9f]{1,500}( <[^<>\\s\\x00-\\x1f\\x7f-\\x9f]{1,400}>)?") == null then
    error("`${field}` of `meta` is NAME or NAME <ADDRESS>, and not ${to-json(text)}", "meta")
  else text
