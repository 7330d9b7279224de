-- Keep what stands for some addresses.
INSERT INTO hidden
SELECT source, address, stands
FROM given_hidden
