result = from-yaml("""
  base: &base
    image: debian
    ports: [80, "81"]
  web:
    <<: *base
    image: web
  off: no
  text: |
    one
    two
  """)
