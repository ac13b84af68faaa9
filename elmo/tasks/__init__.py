"""What contextual vectors are used for."""
