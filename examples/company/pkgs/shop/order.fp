order({ component, stock, data, net }) = component {
  name = "shop-order"
  version = "1.3.6"
  libs = [stock, data.tree, net.cookie]
}
