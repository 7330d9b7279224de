-- Take an hour that was added up.
INSERT INTO covered BY NAME
SELECT * FROM given_rows
