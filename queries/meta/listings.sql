-- When each scope was last listed completely.
SELECT scope, resource_id AS what, last_seen
FROM configurations
WHERE resource_type = 'listing'
ORDER BY scope ASC, what ASC
