catalog({ component, refund, media }) = component {
  name = "shop-catalog"
  version = "7.1.0"
  libs = [refund, media.caption, media.layout]
}
