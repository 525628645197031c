"""What runs in the cluster: it logs in with each password, as clients do, and tells who is refused."""
