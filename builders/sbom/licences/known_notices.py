"""The wordings of well-known notices. `wording` in wording.py tells how a wording is written."""

from __future__ import annotations

PERL = "Artistic-1.0-Perl OR GPL-1.0-or-later"

_CONDITIONS = (
    "redistribution and use in source and binary forms with or without modification are permitted provided that the"
    " following conditions are met ~ redistributions of source code must retain the above copyright notice this list of"
    " conditions and the following disclaimer ~ redistributions in binary form must reproduce the above copyright"
    " notice this list of conditions and the following disclaimer in the documentation and/or other materials provided"
    " with the distribution"
)
_ADVERTISING = (
    "~ all advertising materials mentioning features or use of this software must display the following"
    " acknowledgement this product includes software developed by"
)
_ENDORSEMENT = (
    "be used to endorse or promote products derived from this software without"
    " (specific prior written|prior written|specific written|specific) permission"
)
_NEITHER = f"neither the name {{}} may {_ENDORSEMENT}"
_THE_NAME = f"the (name|names) {{}} may not {_ENDORSEMENT}"
_DISCLAIMER = (
    "this software is provided {} as is and any (express|expressed) or implied warranties including but not limited"
    " to the implied warranties of merchantability and fitness for a particular purpose are disclaimed in no event"
    " shall {} be liable for any direct indirect incidental special exemplary or consequential damages including but"
    " not limited to procurement of substitute goods or services loss of use data or profits or business interruption"
    " however caused and on any theory of liability whether in contract strict liability or tort including negligence"
    " or otherwise arising in any way out of the use of this software even if advised of the possibility of such"
    " (damage|damages)"
)
_EXPAT = (
    "permission is hereby granted free of charge to any person obtaining a copy of this software and associated"
    " documentation files the software to deal in the software without restriction including without limitation the"
    " rights to use copy modify merge publish distribute sublicense and/or sell copies of the software and to permit"
    " persons to whom the software is furnished to do so subject to the following conditions the above copyright notice"
    " and this permission notice (including the next paragraph|) shall be included in all copies or substantial"
    " portions of the software"
)
_AS_IS = (
    "the software is provided as is without warranty of any kind express or implied including but not limited to the"
    " warranties of merchantability fitness for a particular purpose and noninfringement in no event shall {} be liable"
    " for any claim damages or other liability whether in an action of contract tort or otherwise arising from out of"
    " or in connection with the software or the use or other dealings in the software"
)
_NO_ADVERTISING = (
    "except as contained in this notice the (name|names) {} shall not be used in advertising or otherwise to promote"
    " the sale use or other dealings in this software without prior written authorization (from|of) {$}"
)
_BOTH_NOTICES = (
    "provided that the above copyright notice (appear|appears) in all copies and that both that copyright notice and"
    " this permission notice appear in supporting documentation"
)
_PUBLICITY = (
    "and that the (name|names) {} not be used in advertising or publicity pertaining to distribution of the software"
    " without specific written prior permission {} (make|makes) no representations about the suitability of this"
    " software for any purpose it is provided as is without express or implied warranty"
)
_DISCLAIMS = (
    "{} (disclaims|disclaim) all warranties with regard to this software including all implied warranties of"
    " merchantability and fitness in no event shall {} be liable for any special (direct indirect|indirect) or"
    " consequential damages or any damages whatsoever resulting from loss of use data or profits whether in an action"
    " of contract negligence or other tortious action arising out of or in connection with the use or performance of"
    " this software"
)

# The wordings, and the expression of what each grants. `#` is the version that the notice names.
WORDINGS = (
    (f"{_CONDITIONS} {_DISCLAIMER}", "BSD-2-Clause"),
    (f"{_CONDITIONS} ~ {_NEITHER} {_DISCLAIMER}", "BSD-3-Clause"),
    (f"{_CONDITIONS} ~ {_THE_NAME} {_DISCLAIMER}", "BSD-3-Clause"),
    (
        f"{_CONDITIONS} {_ADVERTISING} the university of california berkeley and its contributors ~ {_NEITHER}"
        f" {_DISCLAIMER}",
        "BSD-4-Clause-UC",
    ),
    (f"{_CONDITIONS} {_ADVERTISING} {{}} {_NEITHER} {_DISCLAIMER}", "BSD-4-Clause"),
    (f"{_CONDITIONS} {_ADVERTISING} {{}} {_THE_NAME} {_DISCLAIMER}", "BSD-4-Clause"),
    (f"{_EXPAT} {_AS_IS}", "MIT"),
    (f"{_EXPAT} {_AS_IS} {_NO_ADVERTISING}", "X11"),
    (
        "permission to use copy modify distribute and sell this software and its documentation for any purpose is"
        f" hereby granted without fee {_BOTH_NOTICES} the above copyright notice and this permission notice shall be"
        f" included in all copies or substantial portions of the software {_AS_IS} {_NO_ADVERTISING}",
        "MIT-open-group",
    ),
    (
        "permission to use copy modify distribute and sell this software and its documentation for any purpose is"
        f" hereby granted without fee {_BOTH_NOTICES} {_PUBLICITY} {_DISCLAIMS}",
        "HPND-sell-variant",
    ),
    (
        "permission to use copy modify and distribute this software and its documentation for any purpose and without"
        f" fee is hereby granted {_BOTH_NOTICES} {_PUBLICITY} {_DISCLAIMS}",
        "HPND",
    ),
    (
        "permission to use copy modify (and/or|and) distribute this software for any purpose with or without fee is"
        " hereby granted provided that the above copyright notice and this permission notice appear in all copies the"
        f" software is provided as is and {_DISCLAIMS}",
        "ISC",
    ),
    (
        "permission to use copy modify (and/or|and) distribute this software for any purpose with or without fee is"
        f" hereby granted the software is provided as is and {_DISCLAIMS}",
        "0BSD",
    ),
    (
        "this software is provided as-is without any express or implied warranty in no event will the (authors|author)"
        " be held liable for any damages arising from the use of this software permission is granted to anyone to use"
        " this software for any purpose including commercial applications and to alter it and redistribute it freely"
        " subject to the following restrictions ~ the origin of this software must not be misrepresented you must not"
        " claim that you wrote the original software if you use this software in a product an acknowledgement in the"
        " product documentation would be appreciated but is not required ~ altered source versions must be plainly"
        " marked as such and must not be misrepresented as being the original software ~ this notice may not be removed"
        " or altered from any source distribution",
        "Zlib",
    ),
    (
        "copying and distribution of this file with or without modification are permitted in any medium without royalty"
        " provided the copyright notice and this notice are preserved this file is offered as-is without any warranty",
        "FSFAP",
    ),
    ("is free software {} gives unlimited permission to copy distribute and modify it", "FSFUL"),
    (
        "is free software {} gives unlimited permission to copy and/or distribute it with or without modifications as"
        " long as this notice is preserved",
        "FSFULLR",
    ),
    (
        "is free software {} gives unlimited permission to copy and/or distribute it with or without modifications as"
        " long as this notice is preserved this program is distributed in the hope that it will be useful but without"
        " any warranty to the extent permitted by law without even the implied warranty of merchantability or fitness"
        " for a particular purpose",
        "FSFULLRWD",
    ),
    (
        "licensed under the apache license version 2.0 the license you may not use {} except in compliance with the"
        " license you may obtain a copy of the license at"
        " (http://www.apache.org/licenses/license-2.0|https://www.apache.org/licenses/license-2.0) unless"
        " required by applicable law or agreed to in writing software distributed under the license is distributed on"
        " an as is basis without warranties or conditions of any kind either express or implied see the license for the"
        " specific language governing permissions and limitations under the license",
        "Apache-2.0",
    ),
    (
        "permission is hereby granted free of charge to any person or organization obtaining a copy of the software and"
        " accompanying documentation covered by this license the software to use reproduce display distribute execute"
        " and transmit the software and to prepare derivative works of the software and to permit third-parties to whom"
        " the software is furnished to do so all subject to the following the copyright notices in the software and"
        " this entire statement including the above license grant this restriction and the following disclaimer must be"
        " included in all copies of the software in whole or in part and all derivative works of the software unless"
        " such copies or derivative works are solely in the form of machine-executable object code generated by a"
        " source language processor the software is provided as is without warranty of any kind express or implied"
        " including but not limited to the warranties of merchantability fitness for a particular purpose title and"
        " noninfringement in no event shall the copyright holders or anyone distributing the software be liable for any"
        " damages or other liability whether in contract tort or otherwise arising from out of or in connection with"
        " the software or the use or other dealings in the software",
        "BSL-1.0",
    ),
    (
        "permission is granted to copy distribute and/or modify this (document|manual|file) under the terms of the gnu"
        " free documentation license version {#} or any later version published by the free software foundation with no"
        " invariant sections (with no|no) front-cover texts and (with no|no) back-cover texts",
        "GFDL-#-no-invariants-or-later",
    ),
    ("you can redistribute it and/or modify it under the same terms as perl (itself|)", PERL),
    (
        "is free software you can redistribute it and/or modify it under the terms of either ~ the gnu lesser general"
        " public license as published by the free software foundation either version 3 of the license or at your option"
        " any later version or ~ the gnu general public license as published by the free software foundation either"
        " version 2 of the license or at your option any later version or both in parallel as here",
        "LGPL-3.0-or-later OR GPL-2.0-or-later",
    ),
    (
        "is free software you can redistribute it and/or modify it under the terms of either ~ the gnu general public"
        " license as published by the free software foundation either version 1 or at your option any later version or"
        " ~ the artistic license which comes with (perl|this kit)",
        PERL,
    ),
)
