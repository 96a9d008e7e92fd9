# Ubuntu's releases by name, as Debian's in `fpack/debian`: `import("fpack/ubuntu").noble.postgresql-16` is a package.

...import("fpack/debian-package").releases(ubuntu-releases())
