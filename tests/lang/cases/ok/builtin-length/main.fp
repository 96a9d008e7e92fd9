result = [length([]), length([error("never")]), length({ a = error("never"), b = 1 }), length("größe")]
