result = ubuntu-releases()
