pricing({ component, media, shop }) = component {
  name = "apps-pricing"
  version = "4.9.4"
  libs = [media.colour, media.layout, shop.coupon, shop.gift]
}
