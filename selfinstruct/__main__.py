"""Run the command line: `python -m selfinstruct` does what `selfinstruct` does."""

from selfinstruct.cli.app import main

main()
