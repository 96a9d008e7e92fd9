# Ubuntu's releases by name, as Debian's in `fpack/debian`: `import("fpack/ubuntu").noble.postgresql-16` is a package.

...let package = import("fpack/debian-package").package in {
  ${release} = on-demand("the release ${release}", name => package(release, debian-package(release, name)))
  for release in ubuntu-releases()
}
