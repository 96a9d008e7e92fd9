# The names that every file sees in addition to the builtins. Each name is loaded when it is first used.

fetch = import("fpack/fetch").fetch
text = import("fpack/text").text
platform = import("fpack/platform").current
container = import("fpack/container").container
container-for = import("fpack/container").container-for
files = import("fpack/files").files
oci = import("fpack/oci").oci

package = import("fpack/package").package
make = import("./build/make.fp").make
autotools = import("./build/autotools.fp").autotools
cmake = import("./build/cmake.fp").cmake
meson = import("./build/meson.fp").meson
go = import("./build/go.fp").go
python = import("./build/python.fp").python
node = import("./build/node.fp").node
rust = import("./build/rust.fp").rust
ruby = import("./build/ruby.fp").ruby
maven = import("./build/java.fp").maven
gradle = import("./build/gradle.fp").gradle
php = import("./build/php.fp").php
shell = import("fpack/shell").shell
service = import("fpack/shell").service
