name = "Ann"
n = 3
drive = "C:"
result = {
  plain = "no $NAME and no \${name}"
  put = "Hello ${name}, ${n} times, ${1 + 1}, ${true}, ${1.5}"
  nested = "a ${"b ${"c"}"} d"
  escapes = "tab\t quote\" backslash\\ line\n dollar\$ box\u{1F4E6}"
  joined = "a" + "b" + "${n}"
  unicode = "grüße, 世界"
  dollar = "$5 and $"
}
