"""HTTP: the routes, and the server that answers them."""
