"""The manual pages: made from the commands themselves, and from what stands here of the daemons."""
