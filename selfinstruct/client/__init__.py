"""Get replies from teachers: within limits on rates and cost, retried after faults, and saved in the journal first.

- `ask`: the durable ask, through which every reply comes
- `connect`: teachers, journal and [runtime] put together
- `live`: one call for one request, now
- `batch_submission`: requests collected into batches and submitted
- `batch_collection`: submitted batches polled, collected and cancelled
- `load_balancer`: the endpoints of one teacher, and slots for calls
- `rate_limiter`: when the next call to an endpoint may be made
- `rate_estimator`: the rate that an endpoint grants, from its refusals
- `token_bucket`: an amount a second, spread evenly
- `retry`: retries with backoff
- `shutdown`: stopping in order
- `budget`: hard limits on calls, tokens and US dollars
- `prices`: prices of tokens
"""
