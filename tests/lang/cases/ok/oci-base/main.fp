# An image on the image of a registry: the derivations name the digest, and no base files and no Essential package are added.
base = oci(
  "registry.example:5000/team/base:1.0@sha256:abababababababababababababababababababababababababababababababab",
  hides = ["/etc/motd"],
)
image = container { name = "app", packages = [], base, files = { "/srv/app" = { text = "hello" } } }
annotated = image.with { annotations = { "org.opencontainers.image.licenses" = "MIT" } }

result = {
  parts = [base.repository, base.tag, base.digest]
  untagged = oci("registry.example/base@sha256:abababababababababababababababababababababababababababababababab").tag
  tag = image.tag
  kinds = [image.image.kind, image.root.kind, annotated.image.kind]
  differ = [
    image.image == annotated.image,
    image.root == annotated.root,
    image.root == image.with { base = null, tag = "1" }.root,
  ]
  hidden = image.base.hides
}
