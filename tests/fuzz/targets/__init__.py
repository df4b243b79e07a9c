"""One module for each reader of outside input: `check(data)` takes any bytes, and raises where a promise is broken.

A refusal that the reader documents is fine. Anything else that it raises is a defect, and so is what `check` asserts.
"""
