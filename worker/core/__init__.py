"""Pure rules of the flow: no I/O, no clock, no environment, standard library only."""
