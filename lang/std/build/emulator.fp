# QEMU, which runs the programs of a build for an architecture that the machine does not run.

# here: the machine's architecture. The emulator is no part of a build's key: the output is that of the other machine.
of(release, arch, here) =
  let
    all = import("fpack/debian-package").of-release(release, here)
    name = get(names, arch, null)
    qemu = all.qemu-user
    # Before version 9, another package has the programs that need no libraries.
    old = to-int(head(match(qemu.version, "(?:\\d+:)?(\\d+).*"))) < 9
    program = if old then "${all.qemu-user-static.payload}/data/usr/bin/qemu-${name}-static"
      else "${qemu.payload}/data/usr/bin/qemu-${name}"
  in
    if name == null then error("There is no emulator for ${arch}", "platform")
    else { emulator = "${program}#${arch}" }

# QEMU's names of the architectures.
names = {
  amd64 = "x86_64", arm64 = "aarch64", armel = "arm", armhf = "arm", i386 = "i386", loong64 = "loongarch64"
  mips64el = "mips64el", ppc64el = "ppc64le", riscv64 = "riscv64", s390x = "s390x"
}
