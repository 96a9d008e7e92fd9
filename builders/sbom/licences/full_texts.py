"""Recognise licence texts that have no names in them, by digests.

A text is recognised if all of its words are the same, and in the same order. Numbers and letters of items do not count.
Computed from the texts of SPDX's licence list, without title and copyright lines.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple
from zlib import crc32

_BASE, _MODULUS = 1_000_003, (1 << 61) - 1


class FullText(NamedTuple):
    """A text: its identifier, its first three words, the number, rolling digest and half the SHA-256 of its words."""

    id: str
    begin: str
    words: int
    rolling: int
    digest: str


def find_texts(words: Sequence[str], texts: Sequence[FullText]) -> Iterator[tuple[int, int, str]]:
    """Yield the first word, the word after the last one, and the identifier of each of the texts in `words`.

    The time is linear, whatever the words are: a text is hashed only where the rolling digest is that of the text.
    """
    begins: defaultdict[str, list[FullText]] = defaultdict(list)
    for text in texts:
        begins[text.begin].append(text)
    starts = [
        (number, begin)
        for number, begin in enumerate(map(" ".join, zip(words, words[1:], words[2:], strict=False)))
        if begin in begins
    ]
    sums = _sums(words) if starts else []
    powers = {text.words: pow(_BASE, text.words, _MODULUS) for text in texts}
    for start, begin in starts:
        for text in tuple(begins[begin]):
            end = start + text.words
            if end > len(words) or (sums[end] - sums[start] * powers[text.words]) % _MODULUS != text.rolling:
                continue
            if _sha256(words[start:end]).startswith(text.digest):
                yield start, end, text.id
            else:
                begins[begin].remove(text)  # words that were made to have this rolling digest: look no further


def describe(identifier: str, words: Sequence[str]) -> FullText:
    """Return the digests of a text."""
    return FullText(identifier, " ".join(words[:3]), len(words), _sums(words)[-1], _sha256(words)[:32])


def _sums(words: Sequence[str]) -> list[int]:
    """Return the rolling digests of all beginnings of `words`."""
    values = (crc32(word.encode()) for word in words)
    return list(accumulate(values, lambda total, value: (total * _BASE + value) % _MODULUS, initial=0))


def _sha256(words: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


# Identifier, number of words, rolling digest, SHA-256, first words.
_TABLE = """\
AMD-newlib 81 ff0de811b5354c1 7bd00bcf613fdb2c02f026e8212d9dff this software is
Beerware 41 e8b53d079fd50e8 a509f8bc42315c77820b54cdfb1e5287 wrote this file
Bitstream-Vera 356 13b0a0ed8aa11d6a 782f083679a8b01d7781cd9e3ee79195 permission is hereby
blessing 42 5c07cad64bfa1eb 437135f89bda07bec9831f9614e494b9 the author disclaims
Brian-Gladman-2-Clause 83 9ab9b6e86c92291 56ab9d44e7d36d939bcb1137e6fddf8f the redistribution and
BSD-1-Clause 154 e97ed5cb8d88fe2 175d67006c384e1d10a8c9d28f69a23e redistribution and use
BSD-4.3TAHOE 101 6441f1d5d5a53c0 ef4a1941ce4ec0494e1f380c0daaffb6 redistribution and use
BSD-Attribution-HPND-disclaimer 212 1fe2f6e52b05b839 dae40bb5494871a49e648b1904e98929 redistribution and use
BSD-Source-Code 188 032cd56345635f2 12b0dbf4fc6743494cfefa565dd260b3 redistribution and use
bzip2-1.0.6 229 f6002e3ca2d5d71 a5506b77922e1e8ffc821701f59a5689 redistribution and use
CMU-Mach 123 1737f34ca38410cb 02f835f59f0a3bce8de0176624135d2a permission to use
curl 150 1888eccff3bcd879 56c4ecc94d20f79b02ae7b7887e68ed9 permission to use
FreeBSD-DOC 385 f6ce68cf77c51a5 6a796507de280e952f26165fdb5035ae redistribution and use
FSFAP-no-warranty-disclaimer 26 1de9d57bbbbcc1a0 13ee61830db02a5e64c5c0325ddd41fe copying and distribution
HP-1986 86 0d6dc03f6716a2b 99a490c70608cba95238b2db67988441 to anyone who
HPND-export-US-acknowledgement 165 17f77c176c2f5974 0d0612eaa28db021442c9a4c8c2538d9 export of this
HPND-export-US-modify 171 e29ccb7f71b3603 f88c1d450dbbea7c6b5a407db054ab47 export of this
HPND-export2-US 159 146923550b6362ad 64d082b2cc05ec077f002dee4534c12b export of this
HPND-Markus-Kuhn 28 303b3695af67a28 53992d69b755607bc9d07d616b1b30cd permission to use
ICU 224 7851b1c5e1d721b 697b8dc8cf7bd2dd7355d40f667cd34f permission is hereby
Info-ZIP 450 7907140cfed1199 7a02f29ea8cb4d251e52d12b9bc917cb for the purposes
Inner-Net-2.0 295 1e8e868c6ed919a8 0c18e1ab32de7a492f6d0a1b8fcbd751 the inner net
ISC-Veillard 70 196c43d18c413c9 feb82e554fd6065d8edf92ffadd8d3ed permission to use
Kazlib 94 189eacb374a6e725 5b7b3b825fdb51e61c64f0f99d662cc6 all rights are
Latex2e 83 12b68e082f3adafb f5b8800f396f715c7db5ad3fde866296 permission is granted
Latex2e-translated-notice 97 16d8f64a5c736151 f00f12f4940703923699a3e0b0344c09 permission is granted
libselinux-1.0 151 1e3d1fe2aa25e7be 34512fe16cd03795f287574cc76e6ca2 this library libselinux
libtiff 165 9f926bb53c9a701 be204634c2aeb4816fdb639c233c91cd permission to use
Linux-man-pages-1-para 34 7eaa2d3ebd0c755 64ccaeefa071aadf1055ba2af4ddca32 permission is granted
Linux-man-pages-copyleft 150 1d70b22906a7bc25 eb766a769c19e712ef659afb49572cf2 permission is granted
Linux-man-pages-copyleft-2-para 62 15494b630705e432 114dcf8c99167dfe2c52f4725f3919fe permission is granted
Linux-man-pages-copyleft-var 121 1ce94885fe62de1b 42a23353785c098a795dce84765f6da9 permission is granted
lsof 124 f374254aff2c7fc efd4ac59008bfd68f23d60515a342d75 this software is
metamail 87 a2f5ce7f7e8717e 241992c687ce818d872c0cf092a85078 permission to use
MIT-0 135 766ff046f785d3f 1e08e3b76c83b5a7e3bb0872569d5a86 permission is hereby
MIT-advertising 178 1080745ea0186a0c 30249e855cae90b21e7ac1298f1b896a permission is hereby
MIT-CMU 172 19180fa38f617204 3fe8311574267ebd15abb99b3539647e by obtaining using
MIT-feh 173 c0bcb409f8c1f5b e4eab66e0f6cd88a82771dfd7046d843 permission is hereby
MIT-Modern-Variant 137 11de7ccbde14e1b1 3c4dc5dd254446e8cbdee795f38ccb81 permission is hereby
MIT-Wu 191 15f0b8b58dfd34fe 08762d78bd23373743b540d7fa752c85 permission is hereby
OFL-1.1 624 1f7c91465466f0c4 1ab17d0638f780d5e351be7d28e542b5 sil open font
OLDAP-2.8 297 8270d3a9e0f3861 76d38ab72d070928f41f5e4479904126 the openldap public
OpenSSL 689 6af898e6d7a0c73 9818bc5361b167157c6316933782d535 redistribution and use
OpenVision 243 12a5c8d24e75e22e 156e399791addf282baa21c011946231 warning retrieving the
PostgreSQL 141 babe7bfa8486b55 654ccf43d78dff4e07c0239ae96661a5 permission to use
RSA-MD 123 1a9363199ec481e0 3f8a85f9dbc5394409459cf699ab92c0 license to copy
snprintf 30 5393393cd7adbd1 84b1fc21ab8085c247bd6044cc561cfb this code is
Spencer-86 85 1352064a29a74167 94957ee19c156c508b1b2bd67c815c25 permission is granted
Spencer-94 143 f6965bf0426d31a d817b292e74a82d45c759e0c32762225 this software is
ssh-keyscan 29 166050731b3c91e5 bc189caf3bd01c947cda238cee5f2151 modification and redistribution
SSH-short 58 532a7ab749b23cf 96147f337ffa5d0a2ec05e8eb414de75 as far as
TCL 334 1022307585d2aff6 88f5d6392dd0c2b5ad053ff00fdcaa93 this software is
TCP-wrappers 78 1a99ca80e85988dd ca839cad96e7a398570a56736de5c418 this material was
TTWL 41 7a30e558a3af214 26566e19e69ec334f0c0e8cebc65a9e1 this module may
Unicode-3.0 303 13f56f0cbe0aae70 29bcc5ebf54fe2fdd4471eb9732ac1b2 notice to user
Unicode-DFS-2015 364 25c54bcd634621c 531f7ba4737762e156ef580ab1d66668 unicode inc license
Unicode-DFS-2016 369 15dd64047c3e5193 16fc78387c0df1e231f32afe5e267693 unicode inc license
Unlicense 188 10cfb06d5a919ac4 0364f3387482625866482bc36aa62703 this is free
Vim 727 8e6ad723f4e1b2d c3796c7d055ce9363d16ff4cd78c1f32 vim license there
W3C 372 1a65fa54e00bba45 04a4b27434a014540522ce475cf192cc this work and
WTFPL 53 7549be29a3f1411 7d75a7755364f3305ac19c8e66b95bd5 everyone is permitted
X11-distribute-modifications-variant 198 1fd261d0f884433e c62e7c899b1b6a0b131f40c54e9beec5 permission is hereby
xkeyboard-config-Zinoviev 99 de31fe47d662a57 6815a21d2fde67c84d3c9c37454d6b4f this software may
zlib-acknowledgement 146 118ae7c276c7717e 7ae5b0c423fa75a657f88757e4dc4390 this software is
"""


def _row(line: str) -> FullText:
    identifier, number, rolling, digest, begin = line.split(" ", 4)
    return FullText(identifier, begin, int(number), int(rolling, 16), digest)


FULL_TEXTS = tuple(map(_row, _TABLE.splitlines()))
