"""The sandbox of builds and shells: bubblewrap, its isolation from the machine, and its resource limits."""
