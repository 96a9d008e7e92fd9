ssl = "1.1"
curl = "curl with ${ssl}"
