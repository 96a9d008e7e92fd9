result = evaluate(1 / 0, "done")
