mod tensorflow;
mod torch;
