"""Reduce a text to its words, and compile the wordings of licences to regular expressions over them.

A wording is the text of a licence, or of a reference to one, with marks for the parts that differ between files.

Two texts have the same words if they differ only in white space, case, punctuation at the edges of words, comment
markers and the spelling of "licence", as in SPDX's guidelines for matching. Each expression runs in linear time, since
files can be hostile: it never goes back (possessive quantifiers, atomic groups), and a gap of a wording is bounded and
ends at the first occurrence of the two words that follow it.
"""

from __future__ import annotations

import re

GAP = 24  # the most words in a gap of a wording: names of holders, addresses
_FOLLOWING = 2  # words after a gap by which its end is recognised
_EDGES = "\"'`´“”‘’„«»(){}[]<>.,;:!?*_=|#$\\/~^%"
_SPELLINGS = {
    "licence": "license",
    "licences": "licenses",
    "licenced": "licensed",
    "sub-license": "sublicense",
    "non-infringement": "noninfringement",
    "acknowledgment": "acknowledgement",
    "&": "and",
}
_HYPHENATED = re.compile(r"(?<=[A-Za-z])-\n[ \t]*(?=[A-Za-z])")
_TOKEN = re.compile(r"\{\}|\{\$\}|\{#\}|\([^)]*\)|\S+")
_WORD = r"\S++\s"


def normalise(text: str) -> str:
    """Return the words of `text`, lower-case. One space or line feed follows each word; an empty line ends a paragraph.

    The lines are those of `text` after the hyphens at the ends of lines are joined; see `split_lines`.
    """
    return "".join([_words(line) for line in split_lines(text)])


def split_lines(text: str) -> list[str]:
    """Split a text into lines, and join words that are hyphenated at the end of a line."""
    return _HYPHENATED.sub("", text).split("\n")


def _words(line: str) -> str:
    words = []
    for token in line.lower().replace("(s)", "s").split():
        word = token.strip(_EDGES)
        if word.strip("-+") or word == "&":
            words.append(_SPELLINGS.get(word, word))
    return " ".join(words) + "\n"


def wording(source: str) -> str:
    """Compile a wording to the source of a regular expression.

    The parts of a wording, separated by spaces, are:
    - a word;
    - `(a|b c|)`: one of these phrases, which may be empty;
    - `{}`: a gap of at most GAP words;
    - `{$}`: a gap until the end of the paragraph, which becomes the group `tail`;
    - `{#}`: a version, which becomes the group `version`;
    - `~`: the number or letter of an item of a list, or nothing.
    """
    tokens = _TOKEN.findall(source)
    parts = []
    index = 0
    while index < len(tokens):
        if tokens[index] == "{}":
            end = index + 1 + _FOLLOWING
            following = "".join(map(_part, tokens[index + 1 : end]))
            parts.append(f"(?>(?:{_WORD}\\n*+){{0,{GAP}}}?{following})")
            index = end
        else:
            parts.append(_part(tokens[index]))
            index += 1
    return "".join(parts)


def spaced(source: str) -> re.Pattern[str]:
    """Compile a regular expression over words, in which a space stands for any white space."""
    return re.compile(source.replace(" ", r"\s++"))


def _part(token: str) -> str:
    """Compile one part of a wording."""
    if token == "{$}":
        return f"(?P<tail>(?:{_WORD}){{0,{GAP}}}?(?=\\n|\\Z))\\n*+"
    if token == "{#}":
        return r"v?(?P<version>[1-9](?:\.[0-9])?)\s++"
    if token == "~":
        return r"(?>(?:[0-9]{1,2}|[a-eo]|i{1,3})\s++)?+"
    if token.startswith("("):
        phrases = sorted(token[1:-1].split("|"), key=len, reverse=True)
        return "(?>" + "|".join("".join(map(_literal, phrase.split())) for phrase in phrases) + ")"
    return _literal(token)


def _literal(word: str) -> str:
    return re.escape(word) + r"\s++"
