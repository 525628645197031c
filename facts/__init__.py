"""What the program and the tools in its pods must agree on: names, ports, users, paths, variables.

One module per subject, so that an image can carry those that it needs. Each imports the standard library and
other facts alone. `components` and `filewallball` import them; neither imports the other.
"""
