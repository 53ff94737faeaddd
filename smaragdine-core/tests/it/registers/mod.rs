mod counter;
mod powercap;
