-- An hour's rows.
SELECT * FROM spread WHERE hour = $hour
