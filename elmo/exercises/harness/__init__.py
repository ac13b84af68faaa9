"""What runs a reader's answer safely, and says in words how it differs from the right one."""
