result = import("./lib.fp").x
