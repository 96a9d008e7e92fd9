result = settings.arch
