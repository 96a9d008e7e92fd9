# More functions for strings: strings = import("fpack/strings").

# The lines of a text, without line breaks.
#
#   strings.lines("a\nb\n") == ["a", "b"]
lines(s: string) =
  let parts = split(s, "\n") in
  if ends-with(s, "\n") || s == "" then [get(parts, i) for i in range(length(parts) - 1)] else parts

# The words of a text, separated by white space.
#
#   strings.words("  make  -j2 all ") == ["make", "-j2", "all"]
words(s: string) = find-all(s, "[^ \t\r\n]+")

# A string repeated n times.
#
#   strings.repeat("ab", 3) == "ababab"
repeat(s: string, n: int) = join([s for _ in range(n)], "")

# A string padded on the left to at least `width` characters.
#
#   strings.pad-left("7", 3, "0") == "007"
pad-left(s: string, width: int, fill: string = " ") = repeat(fill, max(0, width - length(s))) + s

# A string padded on the right to at least `width` characters.
#
#   strings.pad-right("7", 3) == "7  "
pad-right(s: string, width: int, fill: string = " ") = s + repeat(fill, max(0, width - length(s)))

# A string without a prefix, if it has the prefix.
#
#   strings.remove-prefix("v1.2", "v") == "1.2"
#   strings.remove-prefix("1.2", "v") == "1.2"
remove-prefix(s: string, prefix: string) =
  if prefix != "" && starts-with(s, prefix) then substring(s, length(prefix), length(s)) else s

# A string without a suffix, if it has the suffix.
#
#   strings.remove-suffix("redis.service", ".service") == "redis"
remove-suffix(s: string, suffix: string) =
  if suffix != "" && ends-with(s, suffix) then substring(s, 0, length(s) - length(suffix)) else s

# The position of the first occurrence of `part` in a string, or null.
#
#   strings.index-of("hello", "l") == 2
#   strings.index-of("hello", "x") == null
index-of(s: string, part: string) =
  if part == "" then 0 else let parts = split(s, part) in if length(parts) == 1 then null else length(head(parts))

# The number of occurrences of `part` in a string.
#
#   strings.count("banana", "an") == 2
count(s: string, part: string) = length(split(s, part)) - 1

# The text before the first `mark`; the whole string if it has none.
#
#   strings.before("1.2-rc1", "-") == "1.2"
before(s: string, mark: string) = head(split(s, mark))

# The text after the first `mark`; "" if the string has none.
#
#   strings.after("key=a=b", "=") == "a=b"
after(s: string, mark: string) = join(tail(split(s, mark)), mark)

# A string with its first character in upper case.
#
#   strings.capitalize("hello world") == "Hello world"
capitalize(s: string) = if s == "" then "" else upper(substring(s, 0, 1)) + substring(s, 1, length(s))

# A text with `by` before each line that is not empty.
#
#   strings.indent("a\n\nb", "  ") == "  a\n\n  b"
indent(s: string, by: string = "  ") = join([if line == "" then "" else by + line for line in split(s, "\n")], "\n")

# A word quoted for a shell, if it needs quotes.
#
#   strings.shell-quote("it's") == "'it'\\''s'"
#   strings.shell-quote("-j2") == "-j2"
shell-quote(s: string) =
  if match(s, "[A-Za-z0-9_@%+=:,./-]+") != null then s else "'" + replace(s, "'", "'\\''") + "'"

# The words of a command as one line for a shell.
#
#   strings.shell-command(["echo", "a b"]) == "echo 'a b'"
shell-command(words: [string]) = join(map(words, shell-quote), " ")

# True if a string contains only white space.
#
#   strings.is-blank(" \n")
is-blank(s: string) = trim(s) == ""

# A word with `a` or `an` before it, by its first letter; `null` has neither. Use it in messages, with `type`.
#
#   strings.with-article("int") == "an int"
#   strings.with-article("package") == "a package"
with-article(word: string) =
  if word == "null" then word else if match(word, "[aeiouAEIOU].*") != null then "an ${word}" else "a ${word}"
