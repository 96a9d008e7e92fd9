"""Find the user's logins for servers, and send each only to the server that it is for."""
