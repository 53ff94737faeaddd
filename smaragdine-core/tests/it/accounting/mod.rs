mod micro_cases;
