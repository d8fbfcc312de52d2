"""What tests of workflows need, shipped for users too."""
