result = mentions([x => x])
