"""What a storage does, as steps over a backend: once for threads and for asyncio (see `steps`)."""
