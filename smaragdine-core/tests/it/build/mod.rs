mod impossible_events;
mod wire;
