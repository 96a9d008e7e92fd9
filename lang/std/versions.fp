# Versions: semantic ones (semver.org 2.0.0), Debian's (deb-version(7)), and any that projects give their releases:
# versions = import("fpack/versions").

# The parts of a semantic version. Missing parts are 0, and a leading `v` is ignored.
#
#   versions.parse("1.2.3-rc.1+5") == { major = 1, minor = 2, patch = 3, pre = ["rc", "1"], build = "5" }
#   versions.parse("v18").major == 18
parse(version: string) =
  let found = match(version, "v?(\\d+)(?:\\.(\\d+))?(?:\\.(\\d+))?(?:-([0-9A-Za-z.-]+))?(?:\\+([0-9A-Za-z.-]+))?") in
  if found == null then error(
    "${version} is not a semantic version, MAJOR.MINOR.PATCH, as in 1.2.3 or 1.2.3-rc.1; compare-upstream compares others",
  )
  else
    let number(i) = if get(found, i) == null then 0 else to-int(get(found, i)) in
    {
      major = number(0)
      minor = number(1)
      patch = number(2)
      pre = if get(found, 3) == null then [] else split(get(found, 3), ".")
      build = get(found, 4)
    }

# -1, 0 or 1 if a semantic version is older than, equal to, or newer than another.
#
#   versions.compare("1.9.0", "1.10.0") == -1
#   versions.compare("1.0.0", "1.0.0-rc.1") == 1
compare(a: string, b: string) = order(key(a), key(b))

# -1, 0 or 1, for Debian's versions.
#
#   versions.compare-debian("1.0~rc1-1", "1.0-1") == -1
#   versions.compare-debian("1:0.9", "2.0") == 1
compare-debian(a: string, b: string) = order(debian-key(a), debian-key(b))

# -1, 0 or 1, for versions of any form: 1.1.1w, 9.6p1, 2024a, R16B03-1, 1.0beta2, v18.
#
# Numbers and words are compared one after another; a missing number is 0. dev, alpha, beta, pre, rc and other words are
# before the version without them, and patch, post, p, r, u and sp are after it. So is a letter that ends a number, as in 1.1.1w.
#
#   versions.compare-upstream("1.1.1w", "1.1.1") == 1
#   versions.compare-upstream("3.0rc1", "3.0") == -1
#   versions.compare-upstream("9.9p2", "9.10") == -1
#   versions.compare-upstream("1.0", "1") == 0
compare-upstream(a: string, b: string) = order(upstream-key(a), upstream-key(b))

# Semantic versions, the oldest first.
#
#   versions.sorted(["1.10.0", "1.9.0", "1.10.0-rc.1"]) == ["1.9.0", "1.10.0-rc.1", "1.10.0"]
sorted(list: [string]) = sort(list, key)

# Debian's versions, the oldest first.
#
#   versions.sorted-debian(["1.10-1", "1.9-1", "1.10~rc1-1"]) == ["1.9-1", "1.10~rc1-1", "1.10-1"]
sorted-debian(list: [string]) = sort(list, debian-key)

# Versions of any form, the oldest first.
#
#   versions.sorted-upstream(["1.1.1w", "1.1.1", "3.0.0-beta1"]) == ["1.1.1", "1.1.1w", "3.0.0-beta1"]
sorted-upstream(list: [string]) = sort(list, upstream-key)

# The newest of semantic versions.
#
#   versions.newest(["1.9.0", "1.10.0"]) == "1.10.0"
newest(list: [string]) =
  if list == [] then error("An empty list has no newest version") else head(reverse(sorted(list)))

# The newest of Debian's versions.
#
#   versions.newest-debian(["1.9-1", "1.10-1"]) == "1.10-1"
newest-debian(list: [string]) =
  if list == [] then error("An empty list has no newest version") else head(reverse(sorted-debian(list)))

# The newest of versions of any form.
#
#   versions.newest-upstream(["2024a", "2024b", "2023d"]) == "2024b"
newest-upstream(list: [string]) =
  if list == [] then error("An empty list has no newest version") else head(reverse(sorted-upstream(list)))

# The first two numbers of a version, as in the names of programs that are installed side by side.
#
#   versions.series("3.12.4") == "3.12"
series(version: string) = let v = parse(version) in "${v.major}.${v.minor}"

# True if a semantic version is in a range, written as in package.json and Cargo.toml: 1.2.3, ^1.2, ~1.2, >=1.2 <2,
# 1.x, * and several of them with ||. As there, a pre-release is in a range only if the range names a pre-release of the
# same version.
#
#   versions.satisfies("1.4.2", "^1.2")
#   versions.satisfies("18.2.0", ">=16 <17 || ^18")
#   !versions.satisfies("2.0.0", "~1.2")
satisfies(version: string, range: string) =
  let
    v = parse(version)
    alternatives = [comparators(part) for part in split(range, "||")]
    holds(c) = let o = order(key(version), key(c.version)) in
      if c.op == ">=" then o >= 0
      else if c.op == ">" then o > 0
      else if c.op == "<=" then o <= 0
      else if c.op == "<" then o < 0
      else o == 0
    named(c) = let w = parse(c.version) in
      c.written && w.pre != [] && [w.major, w.minor, w.patch] == [v.major, v.minor, v.patch]
  in any(alternatives, all-of => all(all-of, holds) && (v.pre == [] || any(all-of, named)))

# The comparisons of a range without ||.
#
#   versions.comparators("^1.2") == [{ op = ">=", version = "1.2.0", written = true }, { op = "<", version = "2.0.0-0", written = false }]
comparators(range: string) =
  let
    text = replace-all(range, "(?<=[<>=~^])\\s+", "")
    parts = find-all(text, "[^\\s,]+")
  in flatten([comparator(part) for part in parts])

comparator(text: string) =
  let
    found = match(
      text,
      "([~^]|[<>]=?|=)?v?([0-9]+|[xX*])(?:\\.([0-9]+|[xX*]))?(?:\\.([0-9]+|[xX*]))?(-[0-9A-Za-z.-]+)?(?:\\+.*)?",
    )
    given = [if part == null || match(part, "[xX*]") != null then null else to-int(part) for part in parts]
    parts = [get(found, i) for i in range(1, 4)]
    op = if get(found, 0) == null then "=" else get(found, 0)
    pre = if get(found, 4) == null then "" else get(found, 4)
    major = get(given, 0), minor = get(given, 1), patch = get(given, 2)
    zero(n) = if n == null then 0 else n
    low = "${zero(major)}.${zero(minor)}.${zero(patch)}${pre}"
    # The smallest version after all versions with the same beginning.
    next = if minor == null then "${zero(major) + 1}.0.0-0" else "${major}.${minor + 1}.0-0"
    partial = minor == null || patch == null
    between(below) = [{ op = ">=", version = low, written = true }, { op = "<", version = below, written = false }]
  in
    if found == null then error("${text} is not a range of versions: write ^1.2, ~1.2, >=1.2 <2, 1.2.3, 1.x or *")
    else if major == null then [{ op = ">=", version = "0.0.0", written = false }]
    else if op == "^" then
      between(
        if major > 0 || minor == null then "${major + 1}.0.0-0"
        else if minor > 0 || patch == null then "0.${minor + 1}.0-0"
        else "0.0.${patch + 1}-0",
      )
    else if op == "~" then between(next)
    else if op == "=" && partial then between(next)
    else if op == ">" && partial then [{ op = ">=", version = next, written = false }]
    else if op == "<=" && partial then [{ op = "<", version = next, written = false }]
    else [{ version = low, written = true, op }]

# ---- keys: strings whose order is that of versions

# A string whose order is that of the semantic version.
key(version: string) =
  let v = parse(version) in
  join([digits("${n}") for n in [v.major, v.minor, v.patch]], "")
  # A version without a pre-release is newer than all its pre-releases.
  + if v.pre == [] then "~" else join([identifier(part) for part in v.pre], "!")

identifier(part) = if match(part, "[0-9]+") != null then "0" + digits(part) else "1" + part

# A string whose order is that of the Debian version.
debian-key(version: string) =
  let
    found = match(version, "(?:([0-9]+):)?([0-9A-Za-z.+~:-]+?)(?:-([0-9A-Za-z.+~]*))?")
    epoch = if get(found, 0) == null then "0" else get(found, 0)
    revision = if get(found, 2) == null then "" else get(found, 2)
  in
    if found == null then error("${version} is not a Debian version: it consists of letters, digits and . + ~ - :")
    else digits(epoch) + debian-part(get(found, 1)) + debian-part(revision)

# A string whose order is that of the version, whatever its form. What comes after a `+` does not count.
upstream-key(version: string) =
  let
    found = find-all(lower(head(split(version, "+"))), "([0-9]+)(?:([a-z]+)([0-9]*))?|([a-z]+)")
    first = if found == [] then null else get(head(found), 3)
    counted = if contains(["v", "ver", "version", "r", "rel", "release"], first) then tail(found) else found
    all = flatten([upstream-parts(p) for p in counted])
    # Zeros at the end, and before a pre-release, count as nothing: 1.0 is 1, and 1.0rc1 is 1rc1.
    plain = fold(reverse(all), [], (later, part) =>
      if part == zero && (later == [] || starts-with(head(later), "0")) then later else [part, ...later])
  in
    if counted == [] then error("${to-json(version)} is not a version: it has no number")
    else join([...plain, zero], ",")

# The parts of a number with the word and the number after it, or of a word. Their first characters are their order:
# words before a release, zero, words after a release, numbers, letters that end a number.
upstream-parts(p) =
  let
    number = get(p, 0)
    word = if number == null then get(p, 3) else get(p, 1)
    next = if number == null || get(p, 2) == "" then null else get(p, 2)
  in [
    ...upstream-number(number),
    ...if word == null || contains(releases, word) then []
      else if number != null && next == null && match(word, "[a-z]") != null then ["5${word}"]
      else if contains(after-release, word) then ["3"]
      else ["0${get(before-release, word, word)}"],
    ...upstream-number(next),
  ]

upstream-number(text) =
  if text == null then [] else if match(text, "0+") != null then [zero] else ["4${digits(text)}"]

zero = "2"
releases = ["final", "ga", "release", "stable"]
after-release = ["p", "patch", "pl", "post", "r", "rev", "sp", "errata", "u", "update", "build", "hotfix", "fix"]
before-release = {
  a = "alpha", b = "beta", c = "rc", cr = "rc", preview = "pre"
  dev = "0dev", nightly = "0dev", snapshot = "0dev"
}

# Alternate text and numbers; a version that ends continues with empty text and 0.
debian-part(text) =
  join(
    [join(map(characters(head(p)), weight), "") + "1" + digits(get(p, 1)) for p in find-all(text, "([^0-9]*)([0-9]*)")],
    "",
  )

# A tilde sorts before the end, the end before letters, and letters before all other characters.
weight(c) = if c == "~" then "0" else if match(c, "[A-Za-z]") != null then "2" + c else "3" + c

# A number without leading zeros, with a prefix that sorts longer numbers later.
digits(text) =
  let plain = replace-all(text, "^0+", "") in
  join([for-three(length(plain)), plain], "")

for-three(n) = let s = "${n}" in substring("000", 0, max(0, 3 - length(s))) + s

order(a, b) = if a < b then -1 else if a > b then 1 else 0
