# The devices in the shops cannot use the new TLS yet.
terminal({ component, base, net }) = component {
  name = "apps-terminal"
  version = "3.8.4"
  libs = [base.tls-1, net.http]
}
