"""Snapshots of the session set in the stack's store: taken, proven, listed, and restored from.

Applications keep to databases 0 to 13. Database 14 is where a restore prepares what it puts in place, and 15
belongs to the members' agents; neither is ever restored.
"""
