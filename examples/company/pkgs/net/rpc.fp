rpc({ component, socket, data }) = component {
  name = "net-rpc"
  version = "9.8.7"
  libs = [socket, data.diff]
}
