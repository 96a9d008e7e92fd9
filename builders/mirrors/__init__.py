"""Keep what locks pin in repositories, and read it from there when the archives have dropped it."""
