"""Write built images as files for other programs: OCI archives, root file systems, and packages of distributions."""
