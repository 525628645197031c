"""`fwb images`: the images of a stack by digest, and the product's own images for clusters elsewhere."""
