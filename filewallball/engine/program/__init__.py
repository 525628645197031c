"""What the program declares: it is run, its requests are answered, and its resources become a graph."""
