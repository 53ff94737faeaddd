mod tensorflow;
