"""What every hook shares: the steps of a training, and the windows in which they are traced."""
