"""Unit files as text and names, and what their [X-Fleet] section asks for; nothing about a cluster."""
