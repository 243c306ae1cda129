"""The quality of live answers: sampled, judged beside the requests, and what follows from it."""
