"""`python -m elmo` is the command `elmo`; Paddle's distributed launcher needs it in this form."""

from elmo.cli import main

if __name__ == "__main__":
    main()
