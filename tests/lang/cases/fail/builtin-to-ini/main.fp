result = to-ini({ Service = { ExecStart = "a\nb" } })
