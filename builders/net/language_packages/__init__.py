"""Find where the tools of languages download packages from: registries and mirrors of this machine's settings."""
