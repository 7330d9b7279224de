-- Hours of coverage: as added up by themselves, and as the roll-up has them.
CREATE OR REPLACE TEMP TABLE covered AS
SELECT * FROM given_none;

CREATE OR REPLACE TEMP TABLE was AS
SELECT * FROM given_none
