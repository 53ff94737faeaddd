mod foreign_tables;
mod schema;
mod seals;
mod tables;
mod writing;
