# A library that comes into a linked image by itself is leaner than one that is listed.
debian = import("fpack/debian").trixie
table = import("fpack/rules").table
found = [{ name = "dash" }, { name = "libc6" }]

dropped(listed, special, linked) = get(table(found, listed, special, linked, [], []), "libc6").drop

result = {
  by-itself = dropped([debian.dash], {}, true)
  with-a-rule = dropped([debian.dash], { libc6 = { drop = ["/usr/lib/x"] } }, true)
  kept-by-a-rule = dropped([debian.dash], { libc6 = { keep = ["/usr/lib/*/gconv"] } }, true)
  listed = dropped([debian.dash, debian.libc6], {}, true)
  not-linked = dropped([debian.dash], {}, false)
}
