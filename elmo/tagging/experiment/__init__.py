"""What does ELMo add to LAC? LARK's experiment done anew: the runs there are, doing them, what they have found."""
