trace({ component, cookie, push, base }) = component {
  name = "net-trace"
  version = "3.8.5"
  libs = [cookie, push, base.text]
}
