# Debian's releases by name. `import("fpack/debian").trixie.postgresql-17` is a package, looked up when it is selected.

...let package = import("fpack/debian-package").package in {
  ${release} = on-demand("the release ${release}", name => package(release, debian-package(release, name)))
  for release in debian-releases()
}
