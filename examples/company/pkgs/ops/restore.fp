restore({ component, base, shop, people }) = component {
  name = "ops-restore"
  version = "1.8.3"
  libs = [base.bytes, shop.catalog, shop.tax, people.login, people.user]
}
