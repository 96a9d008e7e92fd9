audit({ app }) = app {
  name = "audit"
  port = 8011
  code = ./handler.py
}
