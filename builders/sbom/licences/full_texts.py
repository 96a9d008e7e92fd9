"""Digests of licence texts that have no names in them.

A text is recognised if all of its words are the same, and in the same order. Numbers and letters of items do not count.
Computed from the texts of SPDX's licence list, without title and copyright lines.
"""

from __future__ import annotations

from typing import NamedTuple


class FullText(NamedTuple):
    """A text: its identifier, its first three words, the number of its words, half the SHA-256 of its words."""

    id: str
    begin: str
    words: int
    digest: str


FULL_TEXTS = (
    FullText("AMD-newlib", "this software is", 81, "7bd00bcf613fdb2c02f026e8212d9dff"),
    FullText("Beerware", "wrote this file", 41, "a509f8bc42315c77820b54cdfb1e5287"),
    FullText("Bitstream-Vera", "permission is hereby", 356, "782f083679a8b01d7781cd9e3ee79195"),
    FullText("blessing", "the author disclaims", 42, "437135f89bda07bec9831f9614e494b9"),
    FullText("Brian-Gladman-2-Clause", "the redistribution and", 83, "56ab9d44e7d36d939bcb1137e6fddf8f"),
    FullText("BSD-1-Clause", "redistribution and use", 154, "175d67006c384e1d10a8c9d28f69a23e"),
    FullText("BSD-4.3TAHOE", "redistribution and use", 101, "ef4a1941ce4ec0494e1f380c0daaffb6"),
    FullText("BSD-Attribution-HPND-disclaimer", "redistribution and use", 212, "dae40bb5494871a49e648b1904e98929"),
    FullText("BSD-Source-Code", "redistribution and use", 188, "12b0dbf4fc6743494cfefa565dd260b3"),
    FullText("bzip2-1.0.6", "redistribution and use", 229, "a5506b77922e1e8ffc821701f59a5689"),
    FullText("CMU-Mach", "permission to use", 123, "02f835f59f0a3bce8de0176624135d2a"),
    FullText("curl", "permission to use", 150, "56c4ecc94d20f79b02ae7b7887e68ed9"),
    FullText("FreeBSD-DOC", "redistribution and use", 385, "6a796507de280e952f26165fdb5035ae"),
    FullText("FSFAP-no-warranty-disclaimer", "copying and distribution", 26, "13ee61830db02a5e64c5c0325ddd41fe"),
    FullText("HP-1986", "to anyone who", 86, "99a490c70608cba95238b2db67988441"),
    FullText("HPND-export-US-acknowledgement", "export of this", 165, "0d0612eaa28db021442c9a4c8c2538d9"),
    FullText("HPND-export-US-modify", "export of this", 171, "f88c1d450dbbea7c6b5a407db054ab47"),
    FullText("HPND-export2-US", "export of this", 159, "64d082b2cc05ec077f002dee4534c12b"),
    FullText("HPND-Markus-Kuhn", "permission to use", 28, "53992d69b755607bc9d07d616b1b30cd"),
    FullText("ICU", "permission is hereby", 224, "697b8dc8cf7bd2dd7355d40f667cd34f"),
    FullText("Info-ZIP", "for the purposes", 450, "7a02f29ea8cb4d251e52d12b9bc917cb"),
    FullText("Inner-Net-2.0", "the inner net", 295, "0c18e1ab32de7a492f6d0a1b8fcbd751"),
    FullText("ISC-Veillard", "permission to use", 70, "feb82e554fd6065d8edf92ffadd8d3ed"),
    FullText("Kazlib", "all rights are", 94, "5b7b3b825fdb51e61c64f0f99d662cc6"),
    FullText("Latex2e", "permission is granted", 83, "f5b8800f396f715c7db5ad3fde866296"),
    FullText("Latex2e-translated-notice", "permission is granted", 97, "f00f12f4940703923699a3e0b0344c09"),
    FullText("libselinux-1.0", "this library libselinux", 151, "34512fe16cd03795f287574cc76e6ca2"),
    FullText("libtiff", "permission to use", 165, "be204634c2aeb4816fdb639c233c91cd"),
    FullText("Linux-man-pages-1-para", "permission is granted", 34, "64ccaeefa071aadf1055ba2af4ddca32"),
    FullText("Linux-man-pages-copyleft", "permission is granted", 150, "eb766a769c19e712ef659afb49572cf2"),
    FullText("Linux-man-pages-copyleft-2-para", "permission is granted", 62, "114dcf8c99167dfe2c52f4725f3919fe"),
    FullText("Linux-man-pages-copyleft-var", "permission is granted", 121, "42a23353785c098a795dce84765f6da9"),
    FullText("lsof", "this software is", 124, "efd4ac59008bfd68f23d60515a342d75"),
    FullText("metamail", "permission to use", 87, "241992c687ce818d872c0cf092a85078"),
    FullText("MIT-0", "permission is hereby", 135, "1e08e3b76c83b5a7e3bb0872569d5a86"),
    FullText("MIT-advertising", "permission is hereby", 178, "30249e855cae90b21e7ac1298f1b896a"),
    FullText("MIT-CMU", "by obtaining using", 172, "3fe8311574267ebd15abb99b3539647e"),
    FullText("MIT-feh", "permission is hereby", 173, "e4eab66e0f6cd88a82771dfd7046d843"),
    FullText("MIT-Modern-Variant", "permission is hereby", 137, "3c4dc5dd254446e8cbdee795f38ccb81"),
    FullText("MIT-Wu", "permission is hereby", 191, "08762d78bd23373743b540d7fa752c85"),
    FullText("OFL-1.1", "sil open font", 624, "1ab17d0638f780d5e351be7d28e542b5"),
    FullText("OLDAP-2.8", "the openldap public", 297, "76d38ab72d070928f41f5e4479904126"),
    FullText("OpenSSL", "redistribution and use", 689, "9818bc5361b167157c6316933782d535"),
    FullText("OpenVision", "warning retrieving the", 243, "156e399791addf282baa21c011946231"),
    FullText("PostgreSQL", "permission to use", 141, "654ccf43d78dff4e07c0239ae96661a5"),
    FullText("RSA-MD", "license to copy", 123, "3f8a85f9dbc5394409459cf699ab92c0"),
    FullText("snprintf", "this code is", 30, "84b1fc21ab8085c247bd6044cc561cfb"),
    FullText("Spencer-86", "permission is granted", 85, "94957ee19c156c508b1b2bd67c815c25"),
    FullText("Spencer-94", "this software is", 143, "d817b292e74a82d45c759e0c32762225"),
    FullText("ssh-keyscan", "modification and redistribution", 29, "bc189caf3bd01c947cda238cee5f2151"),
    FullText("SSH-short", "as far as", 58, "96147f337ffa5d0a2ec05e8eb414de75"),
    FullText("TCL", "this software is", 334, "88f5d6392dd0c2b5ad053ff00fdcaa93"),
    FullText("TCP-wrappers", "this material was", 78, "ca839cad96e7a398570a56736de5c418"),
    FullText("TTWL", "this module may", 41, "26566e19e69ec334f0c0e8cebc65a9e1"),
    FullText("Unicode-3.0", "notice to user", 303, "29bcc5ebf54fe2fdd4471eb9732ac1b2"),
    FullText("Unicode-DFS-2015", "unicode inc license", 364, "531f7ba4737762e156ef580ab1d66668"),
    FullText("Unicode-DFS-2016", "unicode inc license", 369, "16fc78387c0df1e231f32afe5e267693"),
    FullText("Unlicense", "this is free", 188, "0364f3387482625866482bc36aa62703"),
    FullText("Vim", "vim license there", 727, "c3796c7d055ce9363d16ff4cd78c1f32"),
    FullText("W3C", "this work and", 372, "04a4b27434a014540522ce475cf192cc"),
    FullText("WTFPL", "everyone is permitted", 53, "7d75a7755364f3305ac19c8e66b95bd5"),
    FullText("X11-distribute-modifications-variant", "permission is hereby", 198, "c62e7c899b1b6a0b131f40c54e9beec5"),
    FullText("xkeyboard-config-Zinoviev", "this software may", 99, "6815a21d2fde67c84d3c9c37454d6b4f"),
    FullText("zlib-acknowledgement", "this software is", 146, "7ae5b0c423fa75a657f88757e4dc4390"),
)
