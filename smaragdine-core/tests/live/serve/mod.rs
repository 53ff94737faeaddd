mod poison;
mod service;
mod unfinished;
