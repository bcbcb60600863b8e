"""Read seeds, prompts, documents, topics and languages."""
