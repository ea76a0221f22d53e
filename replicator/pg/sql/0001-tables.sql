-- Everywrite's own tables in one region's database. They are the whole footprint: no function, no
-- trigger, no type. Only `applied` and `settings` are published; what the others hold is this region's
-- own business.

CREATE TABLE everywrite.region (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  cluster text NOT NULL,
  region text NOT NULL,
  -- A dot must never name two transactions: the epoch rises whenever history may have forked.
  epoch integer NOT NULL CHECK (epoch > 0),
  system_identifier bigint NOT NULL,
  timeline bigint NOT NULL,
  slot text NOT NULL,
  publication text NOT NULL,
  -- The row of everywrite.settings that was in effect where the slot begins.
  initial_settings bigint NOT NULL,
  stride integer NOT NULL,
  stride_offset integer NOT NULL,
  -- Null until the slot exists. A slot that was created once and is missing is lost history, not a
  -- first run.
  slot_created_at timestamptz,
  CHECK (stride_offset >= 0 AND stride_offset < stride)
);

-- The marker. Rewritten first in every apply transaction: half-empty pages keep those updates HOT, and
-- an eager autovacuum keeps the page from growing into a chain of dead versions. MAIN keeps the vector
-- out of TOAST, where pgoutput could call it unchanged.
CREATE TABLE everywrite.applied (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  generation bigint NOT NULL,
  vector text NOT NULL,
  hlc bigint NOT NULL
) WITH (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 200,
  autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE everywrite.applied ALTER COLUMN vector SET STORAGE MAIN;
INSERT INTO everywrite.applied (generation, vector, hlc) VALUES (0, '', 0);

-- What capture needs to know, as JSON text; travels through the WAL, so that decoding again uses the
-- same settings at the same place.
CREATE TABLE everywrite.settings (
  id bigint PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE everywrite.checkpoint (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  stable text NOT NULL,
  -- Where a rebuild begins to fold the log: at or below the stable vector.
  fold_from text NOT NULL
);
INSERT INTO everywrite.checkpoint (stable, fold_from) VALUES ('', '');

CREATE TABLE everywrite.conflicts (
  relation text NOT NULL,
  key text NOT NULL,
  column_name text NOT NULL,
  kind text NOT NULL,
  winner_dot text NOT NULL,
  winner_region text NOT NULL,
  winner_hlc bigint NOT NULL,
  winner_value text,
  loser_dot text NOT NULL,
  loser_region text NOT NULL,
  loser_hlc bigint NOT NULL,
  loser_value text,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (relation, key, column_name, winner_dot, loser_dot)
);

CREATE TABLE everywrite.quarantine (
  relation text NOT NULL,
  key text NOT NULL,
  sql_state text NOT NULL,
  reason text NOT NULL,
  -- The row that should be there, a JSON object of texts; null when there should be none.
  wanted text,
  since timestamptz NOT NULL DEFAULT now(),
  attempts integer NOT NULL DEFAULT 1,
  PRIMARY KEY (relation, key)
);

-- A cache of what the log holds: rebuilt after a crash, so it needs no WAL.
CREATE UNLOGGED TABLE everywrite.index_spill (
  -- The replicator whose index it is: one that wakes after a takeover must not take another's.
  owner text NOT NULL,
  relation text NOT NULL,
  key text NOT NULL,
  state bytea NOT NULL,
  PRIMARY KEY (owner, relation, key)
);

-- A forged marker would poison dependencies or hide a transaction from capture.
REVOKE ALL ON ALL TABLES IN SCHEMA everywrite FROM PUBLIC;
