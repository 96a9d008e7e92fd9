# Images of registries that others stand on: container { base = oci("registry.example/team/base:1.0@sha256:...") }

# reference: HOST/NAME@sha256:DIGEST, with a tag before the digest if you like; the digest decides. Without a digest, the
# build fails, and says which one the tag has.
# hides: globs of the files of the base that the container may hide. Without it, it is an error to hide any.
oci(reference: string, hides: list = []) =
  let
    found = parts-of(reference)
    bad = [g for g in hides if type(g) != "string" || !starts-with(g, "/")]
  in
    if found == null then
      error("`oci` takes HOST/NAME@sha256:DIGEST, and not ${to-json(reference)}", "reference")
    else if bad != [] then error("`hides` is a list of absolute paths, and not ${to-json(head(bad))}", "hides")
    else { type = "base", reference, hides, ...found }

# The repository, the tag and the digest of a reference, or null. A host has a dot or a port, so that no name is looked up
# in a registry that nobody named.
parts-of(reference) =
  let
    halves = split(reference, "@")
    name = match(head(halves), "([^:/]+(?::[0-9]{1,5})?)(/[a-z0-9/._-]+)(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?")
    host = if name == null then "" else head(name)
    digest = if length(halves) == 1 then "" else get(halves, 1)
    good = name != null && length(halves) <= 2 && (host == "localhost" || match(host, ".*[.:].*") != null)
      && (digest == "" && length(halves) == 1 || match(digest, "sha256:[0-9a-f]{64}") != null)
  in
    if !good then null
    else {
      repository = "${host}${get(name, 1)}"
      tag = if get(name, 2) == null then "" else replace(get(name, 2), ":", "")
      digest
    }

# The image of a base for an architecture, as builders take it. first: directories before the base's PATH. program: the
# container's program replaces the base's.
of(base, arch, first, program) =
  if (base.type or "") != "base" then
    error("`base` is an image of a registry, oci(\"HOST/NAME@sha256:DIGEST\")", "base")
  else {
    image = derivation {
      kind = "oci"
      name = store-name("base-${head(reverse(split(base.repository, "/")))}")
      urls = ["oci://${base.repository}"]
      sha256 = replace(base.digest, "sha256:", "")
      arch
      ...if base.tag == "" then {} else { tag = base.tag }
    }
    name = base.reference
    hides = base.hides
    ...if first == [] then {} else { first }
    ...if program then { program } else {}
  }
