"""One way to run a Job and follow it: made from what the stack holds, waited for, read, and its end told."""
