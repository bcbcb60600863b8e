"""`python -m selfinstruct` is the same as `selfinstruct`."""

from selfinstruct.cli import main

main()
