"""What a stack serves, on the loopback address of this machine: its pages, and the ports of its servers."""
