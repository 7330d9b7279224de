-- The silences of the hour; observers are known by the text that their records have.
CREATE OR REPLACE TEMP TABLE silent AS
SELECT * FROM given_silent
