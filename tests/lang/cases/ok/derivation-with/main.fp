base = derivation { kind = "thing", name = "a", version = "1", url = "x-${version}" }
made({ version }) = derivation { kind = "thing", name = "m", v = version }
result = {
  same = base == derivation { kind = "thing", name = "a", version = "1", url = "x-1" }
  changed = base.with { version = "2" } == derivation { kind = "thing", name = "a", version = "2", url = "x-2" }
  called = made { version = "1" }.with { version = "2" } == made { version = "2" }
}
