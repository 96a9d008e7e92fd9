"""Read images in repositories, and make the store paths of an image again from its layers."""
