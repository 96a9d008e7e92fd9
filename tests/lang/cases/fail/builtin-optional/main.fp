result = optional("yes", 1)
