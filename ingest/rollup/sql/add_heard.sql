-- Add up one batch by what an observer told, minute by minute.
INSERT INTO heard
SELECT
  observer, min(account_id), min(vpc_id), min(subnet_id), flow_log_id, source_object,
  epoch_us(start_time) // 60000000,
  count(*),
  sum(undecided), sum(unsettled), sum(unmatched), sum(unattributed), sum(sides),
  sum(sides_attributed),
  min(start_time), min(end_time), max(end_time),
  max((epoch_us(end_time) - epoch_us(start_time)) // 1000000)
FROM batch
GROUP BY observer, flow_log_id, source_object, epoch_us(start_time) // 60000000
