"""`python -m airsplit`: the command line."""

from airsplit.cli import main

if __name__ == "__main__":
    main()
