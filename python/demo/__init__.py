"""The demo model of the repository: its text generator, training and evaluation."""
