"""The subcommands of `fpack store`. Each is a module whose click command is named `command`."""
