result = [to-json({ b = [1, null, true], a = "\"x\"" }), to-json(1.5), to-json("世")]
