result = {
  files = { /etc/motd = 1 }
}
