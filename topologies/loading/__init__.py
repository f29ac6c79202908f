"""Reading and checking of scenario files."""
