"""Commands about mirrors: places that keep what locks pin."""
