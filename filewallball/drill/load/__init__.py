"""The half of a drill that runs in the cluster: clients, probes and listeners in one pod, over HTTP.

It is part of the toolkit's image and imports nothing of the other half.
"""
