"""Two levels: copies in this process before the server, which tells when one is out of date."""
