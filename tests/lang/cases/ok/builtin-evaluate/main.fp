result = evaluate([error("never")], evaluate(1 + 1, "done"))
