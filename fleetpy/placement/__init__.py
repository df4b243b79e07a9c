"""The rules of placement, one class each: whether it applies, whether a machine passes, and why not in words."""
