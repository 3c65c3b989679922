"""Bytes from outside: readers of files that strangers may have made."""
