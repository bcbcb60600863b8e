"""Load what requests are made from: seed tasks, prompts, documents, topics and languages."""
