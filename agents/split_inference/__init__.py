"""The problem of placing single tasks: encoding, environment, episodes, bound and optimum, and trained agents."""
