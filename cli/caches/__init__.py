"""The subcommands of `fpack cache`. Each module defines one click command, `command`."""
