http({}) = import("../../../package.fp").package { name = "http", version = read-text(./version) |> trim }
