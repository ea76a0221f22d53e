-- Conflict records that people can name, follow and put back.

-- The name of a record: a hash of what identifies it, so that every region gives it the same one. Written
-- by the replicator, because PostgreSQL has no immutable hash that every installation allows.
ALTER TABLE everywrite.conflicts ADD COLUMN id text;
-- How far each writer had seen the other's region: less than the other's sequence, or it is no conflict.
ALTER TABLE everywrite.conflicts ADD COLUMN winner_saw bigint;
ALTER TABLE everywrite.conflicts ADD COLUMN loser_saw bigint;
UPDATE everywrite.conflicts SET id = left(encode(sha256(convert_to(
  concat_ws(E'\n', relation, key, column_name, winner_dot, loser_dot), 'UTF8')), 'hex'), 16);
CREATE INDEX conflicts_id ON everywrite.conflicts (id text_pattern_ops);
-- Newest first, and forgotten from the other end: by the stamp of the later write, which is the same
-- in every region.
CREATE INDEX conflicts_stamp ON everywrite.conflicts (greatest(winner_hlc, loser_hlc));

-- What an operator gave up: the row that a table refused, and why it was let go.
CREATE TABLE everywrite.discarded (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  relation text NOT NULL,
  key text NOT NULL,
  sql_state text NOT NULL,
  refused_because text NOT NULL,
  wanted text,
  -- What the row was made everywhere instead; null: no row.
  kept text,
  reason text NOT NULL,
  discarded_by text NOT NULL DEFAULT current_user,
  discarded_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON everywrite.discarded FROM PUBLIC;
