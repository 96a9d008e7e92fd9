"""An image's file system in other forms than an image: a tar, a squashfs, a Debian package, an RPM package."""
