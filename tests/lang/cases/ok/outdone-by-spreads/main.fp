# Nobody asks for a field that a spread after it outdoes, whoever makes a derivation of the record.
made({ name, more = {} }) = derivation { kind = "text", name, text = error("this is outdone", name), ...more }
given({ name, text, more = {} }) = derivation { kind = "text", name, text, ...more }
all({ name, text }) = derivation { kind = "text", name, text }
before({ name, more }) = derivation { ...more, kind = "text", name, text = "t" }
spread(r) = all { name = "n", text = error("this is outdone", "x"), ...r }
bound(r) = let text = error("this is outdone", "x") in all { name = "n", text, ...r }
direct(r) = let text = error("this is outdone", "x") in derivation { kind = "text", name = "n", text, ...r }
over(r) = let more = { text = error("this is outdone", "x"), ...r } in before { name = "n", more }
whole = all { name = "n", text = "t" }
found = [
  made { name = "n", more = { text = "t" } },
  given { name = "n", text = error("this is outdone", "x"), more = { text = "t" } },
  spread({ text = "t" }),
  bound({ text = "t" }),
  direct({ text = "t" }),
  over({}),
]
result = map(found, d => d == whole)
