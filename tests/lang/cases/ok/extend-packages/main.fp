debian = import("fpack/debian").trixie.extend((old, new) => {
  dash = old.dash.with { version = "0.6" }
  shell = new.dash
})
more = debian.extend { dash = { version = "0.7" } }
result = [debian.shell.version, debian.dash.name, debian.sudo.version, has(debian, "nothing"), more.shell.version, debian.nothing or "none"]
