"""Evidence from files: rows of calls in CSV, checked, scanned and judged without a running product.

Takes `call_id,started_at,branch,...` rows, gives the report of `rollout analyze`.
May import: the rest but forecasting.
"""
