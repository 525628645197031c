"""What a branch changes in a stack, told from two trees alone: no cluster, no credential."""
