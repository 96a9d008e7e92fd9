"""Records that can be changed: their literals, the layers of `.with` and `.extend`, calls and package sets."""
