"""New passwords for a running stack: the server accepts both for a while, so that nobody is refused."""
