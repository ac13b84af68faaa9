"""What `elmo` does when it is called: the commands by subject, which `elmo.cli` puts together."""
