mod drawn;
mod impossible_events;
mod metrics;
mod wire;
