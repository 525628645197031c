"""The two sites: pages for people, and an API under /api/v1."""
