result = container {
  packages = ["postgres"]
}.image
