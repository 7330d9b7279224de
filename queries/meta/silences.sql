-- Silent intervals by what AWS said of them.
SELECT log_status, count(*) AS records FROM silences GROUP BY log_status ORDER BY log_status
