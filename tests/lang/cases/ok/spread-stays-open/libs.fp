ssl = "ssl-1"
curl = "curl with ${ssl}"
