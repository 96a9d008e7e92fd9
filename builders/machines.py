"""Define the names of each architecture: Debian's, the ELF machine number, the multiarch triplet, OCI's and others."""

from __future__ import annotations

from fpack.light_typing import NamedTuple


class MachineNames(NamedTuple):
    """An architecture. elf: e_machine. triplet: of multiarch directories. oci: GOARCH; variant: as OCI defines it.

    kernel: the name of `uname -m`, of wheels and of markers.
    """

    elf: int
    triplet: str
    oci: str
    variant: str | None
    rpm: str
    kernel: str


MACHINES = {  # by Debian architecture
    "amd64": MachineNames(62, "x86_64-linux-gnu", "amd64", None, "x86_64", "x86_64"),
    "arm64": MachineNames(183, "aarch64-linux-gnu", "arm64", "v8", "aarch64", "aarch64"),
    "armel": MachineNames(40, "arm-linux-gnueabi", "arm", "v5", "armv5tel", "armv5tel"),
    "armhf": MachineNames(40, "arm-linux-gnueabihf", "arm", "v7", "armv7hl", "armv7l"),
    "i386": MachineNames(3, "i386-linux-gnu", "386", None, "i686", "i686"),
    "loong64": MachineNames(258, "loongarch64-linux-gnu", "loong64", None, "loongarch64", "loongarch64"),
    "mips64el": MachineNames(8, "mips64el-linux-gnuabi64", "mips64le", None, "mips64el", "mips64"),
    "ppc64el": MachineNames(21, "powerpc64le-linux-gnu", "ppc64le", None, "ppc64le", "ppc64le"),
    "riscv64": MachineNames(243, "riscv64-linux-gnu", "riscv64", None, "riscv64", "riscv64"),
    "s390x": MachineNames(22, "s390x-linux-gnu", "s390x", None, "s390x", "s390x"),
}


HALF = ("armel", "armhf", "i386")  # of 32 bits
BIG_ENDIAN = ("s390x",)
_HARD_FLOAT = 0x400  # in the flags of a program for arm


def elf_machine(arch: str) -> int:
    """Return the ELF machine number of a Debian architecture; 0 if it is unknown."""
    return MACHINES[arch].elf if arch in MACHINES else 0


def kernel_name(arch: str) -> str:
    """Return the kernel's name of a Debian architecture; the same name if it is unknown."""
    return MACHINES[arch].kernel if arch in MACHINES else arch


def arch_of(head: bytes) -> str:
    """Return the Debian architecture of a compiled program, or "". head: its first 40 bytes."""
    if len(head) < 40 or head[:4] != b"\x7fELF":
        return ""
    is_half, is_big = head[4] == 1, head[5] == 2
    elf = int.from_bytes(head[18:20], "big" if is_big else "little")
    if elf == MACHINES["armhf"].elf and is_half and not is_big:
        return "armhf" if int.from_bytes(head[36:40], "little") & _HARD_FLOAT else "armel"
    known = ((names.elf, arch in HALF, arch in BIG_ENDIAN) for arch, names in MACHINES.items())
    return next((arch for arch, facts in zip(MACHINES, known, strict=True) if facts == (elf, is_half, is_big)), "")
