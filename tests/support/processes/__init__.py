"""Programs that tests run: fpack, containers, terminals and browsers, as root and as other users."""
