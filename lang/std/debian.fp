# Debian's releases by name. `import("fpack/debian").trixie.postgresql-17` is a package, looked up when it is selected.
# `trixie.for("arm64")` are the packages of another architecture, beside those of what is built for.

...import("fpack/debian-package").releases(debian-releases())
