"""The running simulator as an environment: tasks meet in queues and on the radio, and every decision changes what the
next ones find."""
