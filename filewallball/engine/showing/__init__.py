"""What a run did or would do, compared, and told to users."""
