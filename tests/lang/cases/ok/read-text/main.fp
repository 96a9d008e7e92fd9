result = [read-text(./note.txt), read-text(./data.json) |> from-json]
