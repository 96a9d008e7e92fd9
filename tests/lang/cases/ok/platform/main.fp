debian = import("fpack/debian").trixie
arm = debian.for("arm64")
mine = debian.extend((old, new) => {
  sudo = old.sudo.slice { drop = ["/usr/share"] }
  both = [new.sudo, new.dash]
})
image = container {
  packages = [debian.dash]
  closure = "linked"
}
other = image.with { platform = "linux/arm64" }
platforms = import("fpack/platform")

result = {
  own = platform
  names = map([arm.dash, arm.postgresql-common, debian.dash], p => [p.arch, p.platform.name])
  written = map(["arm64", "linux/arm64", "linux/arm64/v8", platform, "linux/arm"], p => platforms.of(p).arch)
  back = arm.for(platform).dash.deb == debian.dash.deb
  # A package, an extended set and a container keep what was said of them.
  slice = debian.dash.slice({ drop = ["/usr/share"] }).for("arm64").rule.drop
  extended = map(mine.for("arm64").both, p => [p.name, p.arch, p.rule.drop])
  changed = debian.with({ sudo = 1 }).with({ dash = 2 }).for("arm64") |> (set => [set.sudo, set.dash, set.curl.arch])
  chosen = map([image, other, container { packages = [arm.dash], closure = "linked" }], c => c.platform.arch)
  same = other.image == (container { packages = [arm.dash], closure = "linked" }).image
  differs = other.image == image.image
  matrix = {
    "${release}-${arch}" = get(import("fpack/debian"), release).for(arch).dash.arch
    for release in ["trixie", "bookworm"] for arch in ["amd64", "arm64"]
  }
}
