metrics({ component, session, webhook, base }) = component {
  name = "net-metrics"
  version = "5.1.2"
  libs = [session, webhook, base.thread, base.tls]
}
