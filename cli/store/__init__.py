"""The subcommands of `fpack store`. Each module defines one click command, `command`."""
