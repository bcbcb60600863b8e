"""`python -m selfinstruct` is the same as `selfinstruct`."""

from selfinstruct.cli.app import main

main()
