wishlist({ component, data, media }) = component {
  name = "shop-wishlist"
  version = "1.0.7"
  libs = [data.schema, data.yaml, media.image, media.scan]
}
