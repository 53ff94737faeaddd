mod poison;
mod service;
mod together;
mod unfinished;
